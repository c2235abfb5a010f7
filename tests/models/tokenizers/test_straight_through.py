import pytest
import torch

from models.tokenizers.straight_through import pass_gradient


def pair(seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = (torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    latent, quantised = draw
    return latent.requires_grad_(), quantised


@pytest.mark.parametrize("kind", ["straight_through", "rotation"])
def test_the_value_is_the_quantised_latent(kind):
    latent, quantised = pair()
    torch.testing.assert_close(pass_gradient(latent, quantised, kind), quantised)


def test_straight_through_hands_the_gradient_over():
    latent, quantised = pair()
    upstream = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    pass_gradient(latent, quantised, "straight_through").backward(upstream)
    torch.testing.assert_close(latent.grad, upstream)


def test_rotation_keeps_the_angle_between_gradient_and_vector():
    """Arc by arc: what stands at an angle to q then stands at the same angle to the latent."""
    latent, quantised = pair()
    upstream = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    pass_gradient(latent, quantised, "rotation").backward(upstream)
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(upstream, quantised), cosine(latent.grad, latent.detach()))
    ratio = quantised.norm(dim=1) / latent.detach().norm(dim=1)
    torch.testing.assert_close(latent.grad.norm(dim=1), ratio * upstream.norm(dim=1))


def test_rotation_survives_a_latent_of_zero_and_an_opposite_codeword():
    latent = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    quantised = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    pass_gradient(latent, quantised, "rotation").sum().backward()
    assert torch.isfinite(latent.grad).all()
