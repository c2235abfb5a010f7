import pytest
import torch

from models.layers.similarity import AdaptiveShift, HybridEnhancer, fuse_by_norm


def test_equations_13_and_14_by_hand() -> None:
    semantic = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])  # norms 5, 0, 0
    collaborative = torch.tensor([[0.0, 15.0], [1.0, 0.0], [0.0, 0.0]])  # norms 15, 1, 0
    expected = torch.tensor([[0.25 * 3, 0.25 * 4 + 0.75 * 15], [1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(fuse_by_norm(semantic, collaborative), expected)


def test_the_collaborative_part_learns_through_the_norm_ratio_alone() -> None:
    semantic = torch.tensor([[3.0, 4.0]], requires_grad=True)
    collaborative = torch.tensor([[0.0, 15.0]], requires_grad=True)
    fuse_by_norm(semantic, collaborative)[0, 1].backward()
    # dδ/d|c| = -|s| / (|s|+|c|)², and d(δ·4 + (1-δ)·15)/dδ = -11 with the second c held fixed.
    expected = torch.tensor([[0.0, -11 * -5 / 20**2]])
    torch.testing.assert_close(collaborative.grad, expected)
    assert semantic.grad is not None


def test_a_vanishing_norm_has_a_finite_gradient() -> None:
    semantic = torch.zeros(1, 2, requires_grad=True)
    collaborative = torch.zeros(1, 2, requires_grad=True)
    fuse_by_norm(semantic, collaborative).sum().backward()
    assert semantic.grad is not None
    assert semantic.grad.isfinite().all()
    assert collaborative.grad is not None
    assert collaborative.grad.isfinite().all()


def test_an_unknown_level_has_an_embedding_of_its_own() -> None:
    enhancer = HybridEnhancer(item_width=3, levels=4, width=2, hidden=5)
    target, trigger = torch.randn(1, 3), torch.randn(1, 3)
    results = [enhancer(target, trigger, torch.tensor([level])) for level in range(-1, 4)]
    assert len({tuple(result[0].tolist()) for result in results}) == 5


def test_equations_17_and_18_by_hand() -> None:
    shift = AdaptiveShift(similarity=2, intent=2, hidden=3)
    with torch.no_grad():
        for parameter in shift.parameters():
            parameter.zero_()
        shift.explicit.gate.network[-1].bias.copy_(torch.tensor([0.0, torch.inf]))
        shift.implicit.gate.network[-1].bias.copy_(torch.tensor([-torch.inf, 0.0]))
    implicit, explicit = torch.tensor([[5.0, 7.0]]), torch.tensor([[2.0, 3.0]])
    shifted = shift(torch.ones(1, 2), implicit, explicit)
    assert shifted[0].tolist() == [[0.0, 7.0]]  # factors 0 and 1
    assert shifted[1].tolist() == [[2.0, 6.0]]  # factors 1 and 2


@pytest.mark.parametrize("which", [0, 1])
def test_an_intent_learns_from_its_shifted_self_but_not_through_the_factor(which: int) -> None:
    shift = AdaptiveShift(similarity=2, intent=2, hidden=3)
    similarity = torch.randn(1, 2)
    intents = [torch.randn(1, 2, requires_grad=True) for _ in range(2)]
    shifted = shift(similarity, *intents)[which]
    shifted.sum().backward()
    factor = (shifted / intents[which]).detach()
    torch.testing.assert_close(intents[which].grad, factor)
    assert intents[1 - which].grad is None
