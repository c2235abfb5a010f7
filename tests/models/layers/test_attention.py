import pytest
import torch
import torch.nn.functional as F

from models.layers.attention import (
    MultiHeadSelfAttention,
    MultiHeadTargetAttention,
    TargetAttention,
    masked_softmax,
)


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.tensor([[True, True, True], [True, False, False], [False, False, False]])


def inputs(width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(3, width, generator=generator),
        torch.randn(3, 3, width, generator=generator),
    )


def test_a_softmax_over_no_real_position_is_all_zeros(mask: torch.Tensor) -> None:
    weights = masked_softmax(torch.tensor([[1.0, 2.0, 3.0]] * 3), mask)
    torch.testing.assert_close(weights.sum(-1), torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(weights[0], torch.softmax(torch.tensor([1.0, 2.0, 3.0]), 0))
    assert weights[1].tolist() == [1.0, 0.0, 0.0]


def test_a_softmax_over_an_empty_axis_is_empty() -> None:
    assert masked_softmax(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool)).shape == (2, 0)


@pytest.mark.parametrize("normalisation", ["none", "sigmoid", "softmax"])
def test_the_folded_first_layer_equals_the_one_on_the_concatenation(
    normalisation: str, mask: torch.Tensor
) -> None:
    attention = TargetAttention(4, 5, normalisation).double()  # pyright: ignore
    query, keys = (tensor.double() for tensor in inputs())
    # [q, k, q-k, qk] through (A, B, C, P) is (A+C)q + (B-C)k + P(qk), here with C drawn freely.
    difference = torch.randn(5, 4, dtype=torch.double)
    weight = torch.cat(
        [
            attention.query.weight - difference,
            attention.key.weight + difference,
            difference,
            attention.product.weight,
        ],
        dim=1,
    )
    repeated = query[:, None].expand_as(keys)
    stacked = torch.cat([repeated, keys, repeated - keys, repeated * keys], dim=-1)
    hidden = torch.relu(F.linear(stacked, weight, attention.query.bias))
    scores = attention.output(hidden).squeeze(-1)
    weights = {
        "none": scores * mask,
        "sigmoid": scores.sigmoid() * mask,
        "softmax": masked_softmax(scores, mask),
    }[normalisation]
    expected = (weights[..., None] * keys).sum(1)
    torch.testing.assert_close(attention(query, keys, mask), expected)
    assert attention(query, keys, mask)[2].eq(0).all()


def test_folded_multi_head_target_attention_equals_equations_7_and_8(mask: torch.Tensor) -> None:
    attention = MultiHeadTargetAttention(query_dim=5, key_dim=4, dim=6, heads=2).double()
    query, keys = torch.randn(3, 5, dtype=torch.double), inputs()[1].double()
    heads = []
    for head in range(2):
        asked = query @ attention.query.weight[3 * head : 3 * head + 3].T  # B d
        key, value = keys @ attention.key[head].T, keys @ attention.value[head].T  # B L d
        scores = (asked[:, None] * key).sum(-1) / 3**0.5
        heads.append((masked_softmax(scores, mask)[..., None] * value).sum(1))
    expected = torch.cat(heads, dim=-1) @ attention.output.weight.T
    torch.testing.assert_close(attention(query, keys, mask), expected)
    assert attention(query, keys, mask)[2].eq(0).all()


def test_self_attention_equals_torchs(mask: torch.Tensor) -> None:
    attention = MultiHeadSelfAttention(dim=4, inner=4, heads=2)
    reference = torch.nn.MultiheadAttention(4, 2, bias=False, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(attention.project.weight)
        reference.out_proj.weight.copy_(attention.output.weight)
    keys = inputs()[1][:2]
    expected, _ = reference(keys, keys, keys, key_padding_mask=~mask[:2], need_weights=False)
    torch.testing.assert_close(attention(keys, mask[:2]), expected)


@pytest.mark.parametrize("inner", [4, 32])  # the heads of the second are wide enough for a kernel
def test_self_attention_without_padding_is_the_same(inner: int) -> None:
    attention = MultiHeadSelfAttention(dim=16, inner=inner, heads=2)
    table, lengths = torch.randn(5, 16, requires_grad=True), torch.tensor([2, 0, 3])
    rows = torch.tensor([4, 1, 0, 0, 3])
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    mask = torch.arange(3) < lengths[:, None]
    keys = torch.zeros(3, 3, 16).masked_scatter(mask[..., None], table[rows])
    expected = attention(keys, mask)[mask]
    found = attention.sequences(table, offsets, rows)
    torch.testing.assert_close(found, expected)
    (wanted,) = torch.autograd.grad(expected.square().sum(), table)
    (gradient,) = torch.autograd.grad(found.square().sum(), table)
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [0, 3])
def test_one_history_meets_many_candidates_without_being_copied(length: int) -> None:
    targets, history = torch.randn(7, 4), torch.randn(1, length, 4)
    mask = torch.ones(1, length, dtype=torch.bool)
    for attention in (TargetAttention(4, 5), MultiHeadTargetAttention(4, 4, 6, 2)):
        once = attention(targets, history, mask)
        copied = attention(targets, history.expand(7, -1, -1), mask.expand(7, -1))
        torch.testing.assert_close(once, copied)
