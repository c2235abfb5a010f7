import torch

from models.layers.gate import GateNU, ShiftingUnit


def test_gate_factors_lie_between_zero_and_two_and_are_one_for_a_silent_network() -> None:
    gate = GateNU(3, 4, 2)
    factors = gate(100 * torch.randn(50, 3))
    assert factors.ge(0).all()
    assert factors.le(2).all()
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.zero_()
    assert gate(torch.randn(5, 3)).eq(1).all()


def test_no_gradient_reaches_the_intent_through_a_shifting_unit() -> None:
    similarity = torch.randn(4, 3, requires_grad=True)
    intent = torch.randn(4, 2, requires_grad=True)
    ShiftingUnit(3, 2, 5)(similarity, intent).sum().backward()
    assert intent.grad is None
    assert similarity.grad is not None
    assert similarity.grad.ne(0).any()
