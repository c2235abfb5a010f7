"""What an item tokenizer is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models.settings import Settings
from models.tokenizers.codebook import CHUNK, quantise, refit_jointly

Report = Callable[[dict[str, float]], None]


class QuantizerSettings(Settings):
    """Settings that every residual tokenizer has.

    Attributes:
        levels: Number K of codebooks, the collision code not counted.
        codes: Codewords of a codebook at most, V.
        items_per_code: A catalogue with fewer than ``codes`` × this many items gets smaller
            codebooks: V = min(codes, max(2, items // items_per_code)).
        shrinkage: Pseudo-count of the first level's clusters; level k has (1 + 4k) times as much.
        iterations: Lloyd iterations of a k-means.
        fit_items: Items drawn to fit on where the catalogue has more.
        holdout: Share of the items kept out of the fit, to report the error on unseen items.
        beams: Code prefixes kept while an item's codes are chosen. 1 takes the nearest code of each
            level (GenCI Eq. 3); more look ahead, for less error.
        joint_iterations: At the end, times that the codebooks of all levels are fitted together to
            the codes, and the codes chosen again; 0 leaves them fitted one after the other.
        repair_collisions: Move items with equal codes, all but the best fitting, to their nearest
            last-level code that makes them unique.
    """

    levels: Annotated[int, Field(ge=1, le=8)] = 3
    codes: Annotated[int, Field(ge=2, le=65536)] = 256
    items_per_code: PositiveInt = 8
    shrinkage: Annotated[float, Field(ge=0)] = 1.0
    iterations: PositiveInt = 20
    fit_items: Annotated[int, Field(ge=16)] = 200_000
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    beams: Annotated[int, Field(ge=1, le=256)] = 5
    joint_iterations: NonNegativeInt = 2
    repair_collisions: bool = False

    @property
    def level_shrinkage(self) -> list[float]:
        """Pseudo-count of each level."""
        return [self.shrinkage * (1 + 4 * level) for level in range(self.levels)]


@dataclass(frozen=True)
class Quantised:
    """Codes of some items, and what the decoder makes of them."""

    codes: Int[Tensor, "N K"]
    latent: Float[Tensor, "N d"]
    reconstruction: Float[Tensor, "N D"]


class Tokenizer(nn.Module, ABC):
    """Item embedding → K codes → embedding.

    Args:
        settings: Of ``settings_type``.
        dim: Width D of the embeddings.
        codes: Codewords of a level, V.
    """

    settings_type: ClassVar[type[QuantizerSettings]]
    codebooks: Tensor  # K V d
    settings: Any  # of settings_type

    def __init__(self, settings: Any, dim: int, codes: int) -> None:
        super().__init__()
        self.settings, self.dim, self.codes = settings, dim, codes

    @abstractmethod
    def fit(self, values: Float[Tensor, "N D"], generator: torch.Generator, report: Report) -> None:
        """Fit to the embeddings; ``report`` is told the figures of every epoch."""

    @abstractmethod
    def encode(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N d"]:
        """Return what is quantised."""

    @abstractmethod
    def decode(self, latent: Float[Tensor, "N d"]) -> Float[Tensor, "N D"]:
        """Return the embeddings that a sum of codewords stands for."""

    @torch.no_grad()
    def refit_jointly(self, values: Float[Tensor, "N D"]) -> None:
        """Fit the codebooks of all levels together, as often as the settings say."""
        latent, settings = self.encode(values), self.settings
        for _ in range(settings.joint_iterations):
            self.codebooks = refit_jointly(
                latent, self.codebooks, settings.level_shrinkage, settings.beams
            )

    @torch.no_grad()
    def quantised(self, values: Float[Tensor, "N D"]) -> Quantised:
        """Return codes, latents and reconstructions of embeddings in the tokenizer's own dtype."""
        parts = []
        for chunk in values.to(self.codebooks.dtype).split(CHUNK):
            latent = self.encode(chunk)
            codes, total = quantise(latent, self.codebooks, self.settings.beams)
            parts.append((codes, latent, self.decode(total)))
        codes, latents, reconstructions = zip(*parts, strict=True)
        return Quantised(torch.cat(codes), torch.cat(latents), torch.cat(reconstructions))
