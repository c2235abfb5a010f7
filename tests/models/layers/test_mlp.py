from itertools import product

import pytest
import torch
from torch import nn

from models.layers import mlp
from models.layers.mlp import MLP, Difference, join


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


@pytest.mark.parametrize("cached", [1, 40, 10_000])
def test_without_gradients_the_result_is_the_same(
    cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "_CACHED_FLOATS", cached)
    network, rows = MLP(3, (5, 4), 2), torch.randn(7, 3)
    recorded = network(rows)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(network(rows), recorded)


@pytest.mark.parametrize("output", [None, 1])
@pytest.mark.parametrize("shared", list(product([False, True], repeat=3)))
@pytest.mark.parametrize("cached", [1, 40, 10_000])
def test_parts_of_groups_count_for_each_of_their_rows(
    cached: int, shared: tuple[bool, ...], output: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "_CACHED_FLOATS", cached)
    starts, group = torch.tensor([0, 3, 4, 7]), torch.tensor([0, 0, 0, 1, 2, 2, 2])
    network = MLP(9, (5, 4), output).double()
    parts = [
        torch.randn(3 if once else 7, width, dtype=torch.double, requires_grad=True)
        for width, once in zip((2, 4, 3), shared, strict=True)
    ]
    many = [part[group] if once else part for part, once in zip(parts, shared, strict=True)]
    expected = network(torch.cat(many, dim=1))
    recorded = network.of_parts(*parts, starts=starts)
    torch.testing.assert_close(recorded, expected)
    gradients = [
        torch.autograd.grad(found.square().sum(), [*parts, *network.parameters()])
        for found in (recorded, expected)
    ]
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        torch.testing.assert_close(network.of_parts(*parts, starts=starts), expected)


def test_parts_without_groups_stand_side_by_side() -> None:
    network, one, many = MLP(5, (4,), 2), torch.randn(1, 2), torch.randn(6, 3)
    assert torch.equal(network.of_parts(one, many), network(join(one, many)))


@pytest.mark.parametrize("shared", [False, True])
def test_a_difference_counts_as_if_it_were_made(shared: bool) -> None:
    starts, group = torch.tensor([0, 2, 5]), torch.tensor([0, 0, 1, 1, 1])
    network = MLP(6, (4,), 1).double()
    left, right = torch.randn(2, 3, dtype=torch.double), torch.randn(5, 3, dtype=torch.double)
    parts = (right, Difference(left, right))
    expected = network(torch.cat([right, left[group] - right], dim=1))
    if not shared:
        starts, parts = None, (right, Difference(left[group], right))
    torch.testing.assert_close(network.of_parts(*parts, starts=starts), expected)
    with torch.no_grad():
        torch.testing.assert_close(network.of_parts(*parts, starts=starts), expected)
