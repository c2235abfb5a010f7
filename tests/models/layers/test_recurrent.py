"""The recurrence against plain loops over numbers, and its written-out backward."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.layers.recurrent import GRU, StepLayout

LENGTHS = [3, 0, 5, 1, 3, 0, 2]


def layout_of(lengths: list[int], block_rows: int = 3) -> StepLayout:
    return StepLayout.of(torch.tensor([0, *lengths]).cumsum(0), block_rows)


def unit(inputs: int = 3, hidden: int = 2) -> GRU:
    torch.manual_seed(0)
    module = GRU(inputs, hidden).double()
    torch.nn.init.normal_(module.bias)
    return module


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def reference(
    module: GRU, row: list[list[float]], attention: list[float] | None
) -> list[list[float]]:
    """GRU and AUGRU as the DIEN paper has them, one number at a time."""
    c_x, u_x, r_x = module.input_weight.detach().chunk(3)
    u_h, r_h, c_h = module.state_weight.detach().chunk(3)
    c_b, u_b, r_b = module.bias.detach().chunk(3)

    def dot(weight: torch.Tensor, i: int, vector: list[float]) -> float:
        return sum(float(weight[i, j]) * vector[j] for j in range(len(vector)))

    state, states = [0.0] * len(c_b), []
    for t, x in enumerate(row):
        new = []
        for i in range(len(state)):
            update = sigmoid(dot(u_x, i, x) + dot(u_h, i, state) + float(u_b[i]))
            reset = sigmoid(dot(r_x, i, x) + dot(r_h, i, state) + float(r_b[i]))
            candidate = math.tanh(dot(c_x, i, x) + reset * dot(c_h, i, state) + float(c_b[i]))
            if attention is not None:
                update *= attention[t]
            new.append((1.0 - update) * state[i] + update * candidate)
        state = new
        states.append(state)
    return states


@pytest.mark.parametrize("attended", [False, True])
def test_states_equal_the_equations_in_plain_loops(attended: bool) -> None:
    module, layout = unit(), layout_of(LENGTHS)
    inputs = torch.randn(sum(LENGTHS), 3, dtype=torch.double)  # history after history
    weights = torch.rand(sum(LENGTHS), dtype=torch.double)
    attention = weights[layout.index] if attended else None
    states = module(inputs[layout.index], layout, attention).detach()
    got, final = torch.empty_like(states), layout.last(states)
    got[layout.index] = states
    for row in range(len(LENGTHS)):
        here = slice(sum(LENGTHS[:row]), sum(LENGTHS[: row + 1]))
        given_weights = weights[here].tolist() if attended else None
        expected = reference(module, inputs[here].tolist(), given_weights)
        exactly = torch.tensor(expected, dtype=torch.double).view(-1, 2)
        torch.testing.assert_close(got[here], exactly, rtol=0, atol=1e-12)
        assert final[row].tolist() == pytest.approx(expected[-1] if expected else [0, 0], abs=1e-12)


@pytest.mark.parametrize("attended", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, [1], [0, 2], [4, 4]])
def test_the_backward_is_the_derivative(attended: bool, lengths: list[int]) -> None:
    module, layout = unit(), layout_of(lengths)
    inputs = torch.randn(len(layout.index), 3, dtype=torch.double, requires_grad=True)
    attention = torch.rand(len(layout.index), dtype=torch.double, requires_grad=True)
    names = [name for name, _ in module.named_parameters()]

    def states(x: torch.Tensor, a: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        arguments = (x, layout, a) if attended else (x, layout)
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), arguments)

    assert torch.autograd.gradcheck(states, (inputs, attention, *module.parameters()))


def test_the_plain_form_equals_torchs_gru() -> None:
    module, layout = unit(3, 4), layout_of(LENGTHS)
    peer = torch.nn.GRU(3, 4, batch_first=True).double()
    c_x, u_x, r_x = module.input_weight.detach().chunk(3)
    u_h, r_h, c_h = module.state_weight.detach().chunk(3)
    c_b, u_b, r_b = module.bias.detach().chunk(3)
    with torch.no_grad():  # torch keeps 1 - u, and lays its gates out as r z n
        peer.weight_ih_l0.copy_(torch.cat([r_x, -u_x, c_x]))
        peer.weight_hh_l0.copy_(torch.cat([r_h, -u_h, c_h]))
        peer.bias_ih_l0.copy_(torch.cat([r_b, -u_b, c_b]))
        peer.bias_hh_l0.zero_()
    inputs = torch.randn(sum(LENGTHS), 3, dtype=torch.double)
    states = module(inputs[layout.index], layout)
    for row, history in enumerate(inputs.split(LENGTHS)):
        here = layout.index[layout.rows == row].sort()
        assert here.values.tolist() == list(range(sum(LENGTHS[:row]), sum(LENGTHS[: row + 1])))
        if len(history):
            expected, _ = peer(history[None])
            torch.testing.assert_close(states[layout.rows == row], expected[0])


def test_attention_of_one_is_the_plain_unit_and_of_zero_moves_nothing() -> None:
    module, layout = unit(), layout_of(LENGTHS)
    inputs = torch.randn(len(layout.index), 3, dtype=torch.double)
    ones = torch.ones(len(layout.index), dtype=torch.double)
    torch.testing.assert_close(module(inputs, layout, ones), module(inputs, layout))
    assert module(inputs, layout, 0 * ones).eq(0).all()


def test_no_behaviour_at_all_gives_zeros_and_zero_gradients() -> None:
    module, layout = unit(), layout_of([0, 0])
    inputs = torch.zeros(0, 3, dtype=torch.double, requires_grad=True)
    final = layout.last(module(inputs, layout))
    assert final.tolist() == [[0, 0], [0, 0]]
    final.sum().backward()
    assert all(p.grad is not None and p.grad.eq(0).all() for p in module.parameters())


def test_half_precision_around_it_changes_no_state() -> None:
    module, layout = unit().float(), layout_of(LENGTHS)
    inputs = torch.randn(len(layout.index), 3)
    with torch.autocast("cpu", torch.bfloat16):
        under = module(inputs, layout)
    torch.testing.assert_close(under, module(inputs, layout), rtol=0, atol=0)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_a_layout_holds_every_behaviour_once(lengths: list[int]) -> None:
    layout, total = layout_of(lengths), sum(lengths)
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    assert sorted(layout.index.tolist()) == list(range(total))
    assert layout.rows.tolist() == owner[layout.index].tolist()
    assert sum(map(sum, layout.alive)) == total
    starts = torch.tensor([0, *lengths]).cumsum(0).tolist()
    last = layout.last(layout.index.double()[:, None])[:, 0].tolist()
    assert last == [starts[row + 1] - 1 if length else 0 for row, length in enumerate(lengths)]
    now, following = (layout.index[places].tolist() for places in layout.successions())
    pairs = [(i, i + 1) for i in range(total - 1) if owner[i] == owner[i + 1]]
    assert sorted(zip(now, following, strict=True)) == pairs


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_attention_adds_up_to_one_over_a_history(lengths: list[int]) -> None:
    layout = layout_of(lengths)
    scores = torch.randn(sum(lengths), dtype=torch.double)
    weights = layout.softmax(scores)
    for row in range(len(lengths)):
        here = layout.rows == row
        torch.testing.assert_close(weights[here], torch.softmax(scores[here], dim=0))


def test_blocks_change_no_state() -> None:
    module = unit()
    inputs = torch.randn(sum(LENGTHS), 3, dtype=torch.double)
    states = []
    for block_rows in (1, 2, 100):
        layout = layout_of(LENGTHS, block_rows)
        states.append(torch.empty(len(inputs), 2, dtype=torch.double))
        states[-1][layout.index] = module(inputs[layout.index], layout).detach()
    torch.testing.assert_close(states[0], states[2])
    torch.testing.assert_close(states[1], states[2])
