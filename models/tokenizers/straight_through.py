"""How the decoder's gradient passes the quantiser, which has none of its own."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Gradient = Literal["straight_through", "rotation"]


def pass_gradient(
    latent: Float[Tensor, "B d"], quantised: Float[Tensor, "B d"], kind: Gradient
) -> Float[Tensor, "B d"]:
    """Return the quantised latents, through which a gradient reaches ``latent``.

    Args:
        latent: What was quantised.
        quantised: What became of it.
        kind: ``straight_through`` hands the gradient over as it is (TIGER 3.1); ``rotation`` turns
            and scales it as the quantiser turned and scaled the latent (arXiv:2410.06424, 4.2).
    """
    if kind == "straight_through":
        return latent + (quantised - latent).detach()
    return _rotated(latent, quantised.detach())


def _rotated(latent: Float[Tensor, "B d"], quantised: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
    """Return λ R latent, with R the rotation from latent to quantised, λ the ratio of lengths.

    R = 1 - 2 r rᵀ + 2 q̂ êᵀ with r the unit vector along ê + q̂; λ and R count as constants.
    """
    fixed = latent.detach()
    e, q = (torch.nn.functional.normalize(vector, dim=-1) for vector in (fixed, quantised))
    r = torch.nn.functional.normalize(e + q, dim=-1)
    along_r = (latent * r).sum(-1, keepdim=True)
    along_e = (latent * e).sum(-1, keepdim=True)
    length = fixed.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    ratio = quantised.norm(dim=-1, keepdim=True) / length
    return ratio * (latent - 2 * along_r * r + 2 * along_e * q)
