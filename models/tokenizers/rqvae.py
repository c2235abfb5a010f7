"""RQ-VAE (Lee et al., CVPR 2022, arXiv:2203.01941), as TIGER and GenCI 2.2.1 tokenise items.

Differs: encoder and decoder are a linear map plus an MLP. The linear maps start as PCA and its
inverse, the MLPs' last layers at zero, and the codebooks at residual k-means over all items, so
training starts from PCA + residual k-means and can only move on from there. Codebooks follow by
exponential moving average, with the shrinkage of `models.tokenizers.codebook`.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from models.tokenizers.base import QuantizerSettings, Report, Tokenizer
from models.tokenizers.codebook import Assign, fit_codebooks
from models.tokenizers.moving_average import MovingCodebooks
from models.tokenizers.sinkhorn import assignment
from models.tokenizers.straight_through import Gradient, pass_gradient


class RQVAESettings(QuantizerSettings):
    """Settings of `RQVAE`.

    Attributes:
        latent_dim: Width of what is quantised. TIGER 4.1 has 32; 32 principal components hold
            48 % of the variance of MiniLM's movie embeddings, 96 hold 75 %, and what is cut
            off no decoder brings back.
        hidden_dim: Hidden width of the MLPs.
        dropout: In the MLPs.
        beta: Weight of the commitment term (TIGER 3.1: β = 0.25).
        epochs: Passes over the items; 0 leaves PCA + residual k-means, one level after the other.
        max_batches: Batches of all epochs at most: a larger catalogue gets fewer epochs, one at
            least.
        batch_size: Items of a batch.
        learning_rate: Peak of the one-cycle schedule of AdamW.
        decay: Decay of the codebooks' moving average, per batch.
        dead_below: A code that stands for less than this share of a code's fair part of a batch
            is set to a random residual.
        refit_iterations: Lloyd iterations at the end, encoder fixed.
        gradient: How the decoder's gradient passes the quantiser: ``straight_through`` (TIGER
            3.1) or ``rotation`` (arXiv:2410.06424).
        sinkhorn: Above 0, the last level's codes are shared out evenly while fitting, by optimal
            transport at this temperature; LC-Rec (arXiv:2311.09049) has 0.003. Semantic IDs are
            the nearest codes in any case.
        sinkhorn_iterations: Of Sinkhorn and Knopp.
    """

    latent_dim: PositiveInt = 192
    hidden_dim: PositiveInt = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    beta: NonNegativeFloat = 0.25
    epochs: NonNegativeInt = 25
    max_batches: PositiveInt = 500
    batch_size: PositiveInt = 512
    learning_rate: PositiveFloat = 1e-3
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.95
    dead_below: Annotated[float, Field(ge=0, lt=1)] = 0.02
    refit_iterations: PositiveInt = 5
    gradient: Gradient = "straight_through"
    sinkhorn: NonNegativeFloat = 0.0
    sinkhorn_iterations: PositiveInt = 50


class RQVAE(Tokenizer):
    """Autoencoder whose latent is a sum of one codeword per level."""

    settings_type: ClassVar[type[QuantizerSettings]] = RQVAESettings
    settings: RQVAESettings
    mean: Tensor
    scale: Tensor

    def __init__(self, settings: RQVAESettings, dim: int, codes: int) -> None:
        super().__init__(settings, dim, codes)
        width = min(settings.latent_dim, dim)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("codebooks", torch.zeros(settings.levels, codes, width))
        self.encoder_skip, self.decoder_skip = nn.Linear(dim, width), nn.Linear(width, dim)
        self.encoder_mlp = self._mlp(dim, width)
        self.decoder_mlp = self._mlp(width, dim)

    def _mlp(self, inputs: int, outputs: int) -> nn.Sequential:
        hidden, dropout = self.settings.hidden_dim, self.settings.dropout
        last = nn.Linear(hidden, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), last)

    def encode(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N d"]:
        """Return the latents."""
        scaled = (values - self.mean) / self.scale
        return self.encoder_skip(scaled) + self.encoder_mlp(scaled)

    def decode(self, latent: Float[Tensor, "N d"]) -> Float[Tensor, "N D"]:
        """Return the embeddings that latents stand for."""
        return (self.decoder_skip(latent) + self.decoder_mlp(latent)) * self.scale + self.mean

    def fit(self, values: Float[Tensor, "N D"], generator: torch.Generator, report: Report) -> None:
        """Start from PCA + residual k-means, train, then refit the codebooks."""
        self._initialise(values)
        self.eval()
        self._refit(values, generator, self.settings.iterations, start=None)
        report({"epoch": 0.0, "fvu": self._fvu(values)})
        trained = 0.0
        for epoch in self._epochs(values, generator):
            report(epoch)
            trained = epoch["epoch"]
        self.eval()
        if self.settings.epochs:
            self._refit(values, generator, self.settings.refit_iterations, start=self.codebooks)
            self.refit_jointly(values)
            report({"epoch": trained + 1.0, "fvu": self._fvu(values)})

    @property
    def _assign_last(self) -> Assign:
        return assignment(self.settings.sinkhorn, self.settings.sinkhorn_iterations)

    @torch.no_grad()
    def _initialise(self, values: Float[Tensor, "N D"]) -> None:
        """Set mean, scale (total variance 1) and the linear maps (principal components)."""
        self.mean = values.mean(0)
        centred = values - self.mean
        self.scale = centred.pow(2).sum(1).mean().sqrt().clamp(min=1e-12)
        covariance = (centred.T.double() @ centred.double()) / len(values)
        components = torch.linalg.eigh(covariance).eigenvectors.flip(1).T
        components = components[: self.codebooks.shape[-1]].float()  # d D, greatest variance first
        self.encoder_skip.weight.copy_(components)
        self.decoder_skip.weight.copy_(components.T)
        nn.init.zeros_(self.encoder_skip.bias)
        nn.init.zeros_(self.decoder_skip.bias)

    @torch.no_grad()
    def _refit(
        self,
        values: Float[Tensor, "N D"],
        generator: torch.Generator,
        iterations: int,
        start: Float[Tensor, "K V d"] | None,
    ) -> None:
        shrinkage = self.settings.level_shrinkage
        latent = self.encode(values)
        self.codebooks = fit_codebooks(
            latent, self.codes, shrinkage, iterations, generator, start, self._assign_last
        )

    def _epochs(
        self, values: Float[Tensor, "N D"], generator: torch.Generator
    ) -> Iterator[dict[str, float]]:
        settings = self.settings
        if not settings.epochs:
            return
        batch = min(settings.batch_size, len(values))
        steps = len(values) // batch
        epochs = max(1, min(settings.epochs, settings.max_batches // steps))
        moving = MovingCodebooks(
            self.codebooks,
            settings.level_shrinkage,
            settings.decay,
            settings.dead_below,
            batch / len(values),
            self._assign_last,
        )
        optimizer = torch.optim.AdamW(self.parameters(), settings.learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps * epochs
        )
        for epoch in range(epochs):
            self.train()
            total = 0.0
            order = torch.randperm(len(values), generator=generator)
            for rows in order[: steps * batch].view(steps, batch):
                loss = self._loss(values[rows], moving, generator)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += float(loss.detach())
            self.codebooks = moving.codebooks.clone()
            yield {"epoch": epoch + 1.0, "loss": total / steps}

    def _loss(
        self, values: Float[Tensor, "B D"], moving: MovingCodebooks, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Return reconstruction error plus β times commitment, in units of the total variance."""
        latent = self.encode(values)
        quantised = moving.follow(latent.detach(), generator)
        passed = pass_gradient(latent, quantised, self.settings.gradient)
        error = (self.decode(passed) - values).pow(2).sum(1).mean() / self.scale.pow(2)
        commitment = (latent - quantised).pow(2).sum(1).mean()
        return error + self.settings.beta * commitment

    @torch.no_grad()
    def _fvu(self, values: Float[Tensor, "N D"]) -> float:
        error = (self.quantised(values).reconstruction - values).pow(2).sum()
        return float(error / (values - self.mean).pow(2).sum())
