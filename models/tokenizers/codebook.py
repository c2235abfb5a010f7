"""Residual codebooks: nearest codes, and k-means whose small clusters are shrunk.

A centroid that averages few residuals mostly fits their noise. Dividing a cluster's sum by its
count plus a pseudo-count pulls such a centroid towards zero, which is the mean of the residuals.
On held-out MovieLens items it lowers the unexplained variance of 3 × 256 codes from 0.585 to 0.561.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 16384
JOINT_CODES = 4096
Assign = Callable[[Tensor, Tensor], Tensor]  # residuals, codebook → codes


def nearest(values: Float[Tensor, "N D"], codebook: Float[Tensor, "V D"]) -> Int[Tensor, " N"]:
    """Return the index of the nearest codeword (GenCI Eq. 3); the lower index on a tie."""
    offset = codebook.pow(2).sum(1)
    return torch.cat([(offset - 2 * chunk @ codebook.T).argmin(1) for chunk in values.split(CHUNK)])


def quantise(
    latent: Float[Tensor, "N D"], codebooks: Float[Tensor, "K V D"], beams: int = 1
) -> tuple[Int[Tensor, "N K"], Float[Tensor, "N D"]]:
    """Return the codes, level by level on what the levels before left over, and the codewords' sum.

    GenCI Eq. 3: z_n = argmin_k ‖r⁽ⁿ⁾ - cₖⁿ‖², r⁽ⁿ⁺¹⁾ = r⁽ⁿ⁾ - c_zₙ.

    Args:
        latent: What is quantised.
        codebooks: Of the levels.
        beams: Code prefixes kept from level to level. With 1 each level takes the nearest code, as
            in Eq. 3; with more, the codes whose sum ends nearest among those kept.
    """
    if beams == 1:
        residual, codes = latent, []
        for codebook in codebooks:
            codes.append(nearest(residual, codebook))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=1), latent - residual
    parts = [_look_ahead(rows, codebooks, beams) for rows in latent.split(CHUNK // beams)]
    return torch.cat([codes for codes, _ in parts]), torch.cat([total for _, total in parts])


def _look_ahead(
    latent: Float[Tensor, "N D"], codebooks: Float[Tensor, "K V D"], beams: int
) -> tuple[Int[Tensor, "N K"], Float[Tensor, "N D"]]:
    """Return codes and codewords' sum of the best of ``beams`` prefixes."""
    residual = latent.unsqueeze(1)  # N W D
    codes = torch.zeros(len(latent), 1, 0, dtype=torch.int64, device=latent.device)
    for codebook in codebooks:
        before = residual.pow(2).sum(-1, keepdim=True)
        distance = before + codebook.pow(2).sum(1) - 2 * residual @ codebook.T  # N W V
        flat = distance.flatten(1)
        place = flat.topk(min(beams, flat.shape[1]), dim=1, largest=False).indices  # N W
        parent, code = place // len(codebook), place % len(codebook)
        wide = parent.unsqueeze(2)
        residual = residual.gather(1, wide.expand(-1, -1, residual.shape[2])) - codebook[code]
        known = codes.gather(1, wide.expand(-1, -1, codes.shape[2]))
        codes = torch.cat([known, code.unsqueeze(2)], dim=2)
    return codes[:, 0], latent - residual[:, 0]


def fit_codebooks(
    latent: Float[Tensor, "N D"],
    codes: int,
    shrinkage: Sequence[float],
    iterations: int,
    generator: torch.Generator,
    start: Float[Tensor, "K V D"] | None = None,
    assign_last: Assign = nearest,
) -> Float[Tensor, "K V D"]:
    """Return one k-means codebook per level, each fitted on the residuals of those before.

    Args:
        latent: What is to be quantised.
        codes: Codewords of a level, at most the number of rows.
        shrinkage: Pseudo-count of each level.
        iterations: Lloyd iterations.
        generator: Picks the first centroids and those of empty clusters.
        start: Codebooks to start from.
        assign_last: How the residuals of the last level get codes.
    """
    residual, codebooks = latent, []
    for level, pseudo_count in enumerate(shrinkage):
        first = None if start is None else start[level]
        assign = assign_last if level == len(shrinkage) - 1 else nearest
        codebook = _kmeans(residual, codes, pseudo_count, iterations, generator, first, assign)
        codebooks.append(codebook)
        residual = residual - codebook[nearest(residual, codebook)]
    return torch.stack(codebooks)


def refit_jointly(
    latent: Float[Tensor, "N D"],
    codebooks: Float[Tensor, "K V D"],
    shrinkage: Sequence[float],
    beams: int,
) -> Float[Tensor, "K V D"]:
    """Return the codebooks, all levels at once, whose sums come nearest to the latents.

    One after the other, a level cannot answer to those that follow it. Given everyone's codes, the
    best codebooks solve a ridge regression of the latents on the codes; the pseudo-counts of
    `fit_codebooks` are its penalties. Codebooks too large for that, of more than `JOINT_CODES`
    codes in all, come back as they are.
    """
    levels, size, width = codebooks.shape
    if levels * size > JOINT_CODES:
        return codebooks
    codes, _ = quantise(latent, codebooks, beams)
    together = torch.zeros(levels * size, levels * size, dtype=torch.float64, device=latent.device)
    sums = torch.zeros(levels * size, width, dtype=torch.float64, device=latent.device)
    for i in range(levels):
        rows = slice(i * size, (i + 1) * size)
        sums[rows].index_add_(0, codes[:, i], latent.double())
        for j in range(levels):
            pairs = torch.bincount(codes[:, i] * size + codes[:, j], minlength=size * size)
            together[rows, j * size : (j + 1) * size] = pairs.view(size, size).double()
    penalty = torch.tensor(shrinkage, dtype=torch.float64, device=latent.device).clamp(min=1e-6)
    together.diagonal().add_(penalty.repeat_interleave(size))
    return torch.linalg.solve(together, sums).view_as(codebooks).to(codebooks.dtype)


def _kmeans(
    values: Float[Tensor, "N D"],
    codes: int,
    pseudo_count: float,
    iterations: int,
    generator: torch.Generator,
    start: Float[Tensor, "V D"] | None,
    assign: Assign,
) -> Float[Tensor, "V D"]:
    codebook = _random_rows(values, codes, generator) if start is None else start.clone()
    for remaining in reversed(range(iterations)):
        assigned = assign(values, codebook)
        counts = torch.bincount(assigned, minlength=codes)
        sums = torch.zeros_like(codebook).index_add_(0, assigned, values)
        codebook = sums / (counts + pseudo_count).clamp(min=1).unsqueeze(1)
        empty = (counts == 0).nonzero().squeeze(1)
        if remaining and empty.numel():
            codebook[empty] = _random_rows(values, empty.numel(), generator)
    return codebook


def _random_rows(
    values: Float[Tensor, "N D"], rows: int, generator: torch.Generator
) -> Float[Tensor, "R D"]:
    return values[torch.randperm(len(values), generator=generator)[:rows]]
