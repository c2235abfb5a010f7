"""Residual k-means: the fast baseline without an autoencoder."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from models.tokenizers.base import QuantizerSettings, Report, Tokenizer
from models.tokenizers.codebook import fit_codebooks


class ResidualKMeansSettings(QuantizerSettings):
    """Settings of `ResidualKMeans`: those of every residual tokenizer."""


class ResidualKMeans(Tokenizer):
    """Quantises the mean-centred embedding itself; the reconstruction is the codewords' sum."""

    settings_type: ClassVar[type[QuantizerSettings]] = ResidualKMeansSettings
    settings: ResidualKMeansSettings
    mean: Tensor

    def __init__(self, settings: ResidualKMeansSettings, dim: int, codes: int) -> None:
        super().__init__(settings, dim, codes)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("codebooks", torch.zeros(settings.levels, codes, dim))

    def fit(self, values: Float[Tensor, "N D"], generator: torch.Generator, report: Report) -> None:
        """Fit one codebook after the other, then all together."""
        self.mean = values.mean(0)
        centred = self.encode(values)
        settings = self.settings
        self.codebooks = fit_codebooks(
            centred, self.codes, settings.level_shrinkage, settings.iterations, generator
        )
        self.refit_jointly(values)
        error = (self.quantised(values).reconstruction - values).pow(2).sum()
        report({"epoch": 0.0, "fvu": float(error / centred.pow(2).sum())})

    def encode(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Return the embeddings less their mean."""
        return values - self.mean

    def decode(self, latent: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Return the embeddings that a sum of codewords stands for."""
        return latent + self.mean
