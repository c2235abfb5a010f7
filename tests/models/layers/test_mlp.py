import pytest
import torch
from torch import nn

from models.layers import mlp
from models.layers.mlp import MLP, join


def test_one_row_is_repeated_beside_many() -> None:
    joined = join(torch.ones(1, 2), torch.zeros(3, 1))
    assert joined.tolist() == [[1.0, 1.0, 0.0]] * 3


def test_no_candidates_give_no_rows() -> None:
    assert join(torch.ones(1, 2), torch.zeros(0, 1)).shape == (0, 3)


def test_the_width_is_that_of_the_last_layer() -> None:
    assert MLP(3, (5, 4)).width == 4
    assert MLP(3, (5, 4), output=2).width == 2
    assert MLP(3, (5, 4), output=2)(torch.zeros(7, 3)).shape == (7, 2)


@pytest.mark.parametrize("output", [None, 1])
@pytest.mark.parametrize("cached", [1, 40, 10_000])
def test_layers_run_on_blocks_of_rows_equal_layers_run_on_all(
    output: int | None, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "_CACHED_FLOATS", cached)
    network = MLP(3, (5, 4), output).double()
    rows = torch.randn(7, 3, dtype=torch.double, requires_grad=True)
    gradient = torch.randn(7, network.width, dtype=torch.double)
    found = []
    for run in (network, lambda rows: nn.Sequential.forward(network, rows)):
        network.zero_grad()
        rows.grad = None
        result = run(rows)
        result.backward(gradient)
        found.append([result, rows.grad, *(weight.grad for weight in network.parameters())])
    torch.testing.assert_close(found[0], found[1])
    assert torch.autograd.gradcheck(network, rows)


def test_no_rows_and_rows_of_more_than_one_axis_pass_through() -> None:
    network = MLP(3, (5,), 2)
    assert network(torch.zeros(0, 3)).shape == (0, 2)
    rows = torch.randn(2, 4, 3)
    torch.testing.assert_close(network(rows).flatten(0, 1), network(rows.flatten(0, 1)))


def test_units_are_dropped_in_training_alone() -> None:
    network, rows = MLP(3, (50,), 2, dropout=0.5), torch.randn(4, 3)
    assert not torch.equal(network(rows), network(rows))
    network.eval()
    assert torch.equal(network(rows), network(rows))
