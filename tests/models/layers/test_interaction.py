"""Cross layers and the factorization machine against plain loops over numbers."""

import math

import torch

from models.layers.interaction import CrossNetwork, LowRankCrossNetwork, pairwise_products

WIDTH = 4


def rows(count: int = 5) -> torch.Tensor:
    return torch.randn(count, WIDTH, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def product(weight: torch.Tensor, vector: list[float]) -> list[float]:
    return [sum(float(w) * v for w, v in zip(line, vector, strict=True)) for line in weight]


def test_a_cross_layer_is_equation_one() -> None:
    torch.manual_seed(1)
    network, inputs = CrossNetwork(WIDTH, 3).double(), rows()
    for layer in network.layers:
        torch.nn.init.normal_(layer.bias)
    network.requires_grad_(False)
    expected = []
    for first in inputs.tolist():
        x = first
        for layer in network.layers:
            wx, bias = product(layer.weight, x), layer.bias.tolist()
            x = [first[i] * (wx[i] + bias[i]) + x[i] for i in range(WIDTH)]
        expected.append(x)
    torch.testing.assert_close(network(inputs), torch.tensor(expected, dtype=torch.double))


def test_low_rank_experts_are_the_papers_mixture() -> None:
    torch.manual_seed(2)
    rank, experts = 2, 3
    network, inputs = LowRankCrossNetwork(WIDTH, 2, rank, experts).double(), rows()
    for layer in network.layers:
        torch.nn.init.normal_(layer.bias)
    network.requires_grad_(False)
    expected = []
    for first in inputs.tolist():
        x = first
        for layer in network.layers:
            scores = [math.exp(value) for value in product(layer.gate.weight, x)]
            mixed = [0.0] * WIDTH
            for e in range(experts):
                part = slice(e * rank, (e + 1) * rank)
                low = [math.tanh(v) for v in product(layer.down.weight[part], x)]
                low = [math.tanh(v) for v in product(layer.inner[e], low)]
                high = product(layer.up.weight[:, part], low)
                for i in range(WIDTH):
                    expert = first[i] * (high[i] + float(layer.bias[i]))
                    mixed[i] += scores[e] / sum(scores) * expert
            x = [mixed[i] + x[i] for i in range(WIDTH)]
        expected.append(x)
    torch.testing.assert_close(network(inputs), torch.tensor(expected, dtype=torch.double))


def test_pairwise_products_sum_over_all_pairs_of_fields() -> None:
    fields = torch.randn(3, 5, 2, dtype=torch.double)
    expected = [
        sum(
            float(row[i] @ row[j])
            for i in range(len(row))
            for j in range(i + 1, len(row))
        )
        for row in fields
    ]  # fmt: skip
    torch.testing.assert_close(
        pairwise_products(fields), torch.tensor(expected, dtype=torch.double)
    )


def test_one_field_has_no_pair() -> None:
    assert pairwise_products(torch.randn(3, 1, 2, dtype=torch.double)).abs().max() < 1e-15
