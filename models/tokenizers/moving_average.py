"""Codebooks that follow the moving average of the residuals assigned to them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.tokenizers.codebook import Assign, nearest


class MovingCodebooks:
    """Exponential moving averages of every code's residuals (VQ-VAE, arXiv:1711.00937, A.1).

    Args:
        start: Codebooks to start from.
        shrinkage: Pseudo-count of each level, in items of the whole catalogue.
        decay: Weight of the past, per batch.
        dead_below: A code that stands for less than this share of a code's fair part of a batch
            is set to a random residual.
        share: Batch size as a share of all items.
        assign_last: How the residuals of the last level get codes.
    """

    def __init__(
        self,
        start: Float[Tensor, "K V d"],
        shrinkage: Sequence[float],
        decay: float,
        dead_below: float,
        share: float,
        assign_last: Assign = nearest,
    ) -> None:
        self._codebooks = start.clone()
        self._decay, self._dead_below = decay, dead_below
        self._pseudo = torch.tensor(shrinkage).unsqueeze(1) * share  # K 1
        self._counts: Tensor | None = None
        self._assign = [*([nearest] * (len(start) - 1)), assign_last]
        self._sums = torch.zeros_like(start)

    @property
    def codebooks(self) -> Float[Tensor, "K V d"]:
        """The codebooks as they stand."""
        return self._codebooks

    @torch.no_grad()
    def follow(
        self, latent: Float[Tensor, "B d"], generator: torch.Generator
    ) -> Float[Tensor, "B d"]:
        """Return the quantised latents, then move the codebooks towards this batch."""
        residual, assigned, residuals = latent, [], []
        for codebook, assign in zip(self._codebooks, self._assign, strict=True):
            residuals.append(residual)
            assigned.append(assign(residual, codebook))
            residual = residual - codebook[assigned[-1]]
        if self._counts is None:
            self._start_counts(len(latent))
        for level, (codes, values) in enumerate(zip(assigned, residuals, strict=True)):
            self._move(level, codes, values, generator)
        return latent - residual

    def _start_counts(self, batch: int) -> None:
        """Let every code stand for its fair part of a batch, at the place where it is."""
        levels, codes, _ = self._codebooks.shape
        self._counts = torch.full((levels, codes), batch / codes)
        self._sums = self._codebooks * (self._counts + self._pseudo).unsqueeze(2)

    def _move(
        self,
        level: int,
        assigned: Int[Tensor, " B"],
        residuals: Float[Tensor, "B d"],
        generator: torch.Generator,
    ) -> None:
        if self._counts is None:
            return
        counts, sums, fresh = self._counts[level], self._sums[level], 1 - self._decay
        codes = len(counts)
        counts.mul_(self._decay).add_(torch.bincount(assigned, minlength=codes), alpha=fresh)
        batch_sums = torch.zeros_like(sums).index_add_(0, assigned, residuals)
        sums.mul_(self._decay).add_(batch_sums, alpha=fresh)
        fair = len(residuals) / codes
        dead = (counts < self._dead_below * fair).nonzero().squeeze(1)[: len(residuals)]
        if dead.numel():
            rows = torch.randperm(len(residuals), generator=generator)[: dead.numel()]
            counts[dead] = fair
            sums[dead] = residuals[rows] * (fair + self._pseudo[level])
        weight = (counts + self._pseudo[level]).clamp(min=1e-6).unsqueeze(1)
        self._codebooks[level] = sums / weight
