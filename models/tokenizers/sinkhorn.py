"""Even use of a codebook by optimal transport, as LC-Rec assigns the last level (arXiv:2311.09049).

Colliding items share all levels but differ a little in what the last one has left; sharing its
codes out evenly, instead of to the nearest, moves such items apart.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.tokenizers.codebook import CHUNK, Assign, nearest


def assignment(epsilon: float, iterations: int) -> Assign:
    """Return how residuals get codes: evenly, or by distance alone where ``epsilon`` is 0."""
    if not epsilon:
        return nearest
    return partial(evenly, epsilon=epsilon, iterations=iterations)


@torch.no_grad()
def evenly(
    values: Float[Tensor, "N D"],
    codebook: Float[Tensor, "V D"],
    *,
    epsilon: float,
    iterations: int,
) -> Int[Tensor, " N"]:
    """Return a code per row such that all are used about alike, at little distance.

    Args:
        values: Residuals.
        codebook: The codewords.
        epsilon: Temperature over distances scaled to [-1, 1]: the smaller, the harder the plan.
        iterations: Of Sinkhorn and Knopp.
    """
    return torch.cat(
        [_planned(rows, codebook, epsilon, iterations) for rows in values.split(CHUNK)]
    )


def _planned(
    values: Float[Tensor, "N D"], codebook: Float[Tensor, "V D"], epsilon: float, iterations: int
) -> Int[Tensor, " N"]:
    """Return each row's code in the transport plan whose columns sum to the same.

    The plan is diag(u) K diag(v). Scaling a row changes no argmax of it, so u is never applied, and
    rows start from their least distance: whatever underflows is too far away to be chosen.
    """
    distance = torch.cdist(values.double(), codebook.double()).pow(2)
    reach = ((distance.max() - distance.min()) / 2).clamp(min=1e-12)
    nearness = distance.min(1, keepdim=True).values - distance
    kernel = nearness.div_(reach * epsilon).exp_()
    v = torch.ones(len(codebook), dtype=kernel.dtype, device=kernel.device)
    for _ in range(iterations):
        u = 1 / (kernel @ v).clamp(min=1e-300)
        v = len(values) / len(codebook) / (kernel.T @ u).clamp(min=1e-300)
    return (kernel * v).argmax(1)
