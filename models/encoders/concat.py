"""A text and an image encoder side by side: real image and text where no joint model is at hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from jaxtyping import Float
from pydantic import Field

from models.encoders.base import Advance, Encoder, EncoderIdentity, ItemContent
from models.encoders.config import EncoderConfig
from models.encoders.embedding import load_encoder
from models.settings import Settings, digest

Weight = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Part(Settings):
    """One of the two encoders.

    Attributes:
        encoder: Registry name.
        settings: Its settings.
        weight: Length of its part before the whole is normalised. With equal weights the cosine
            of two items is the mean of their cosines by text and by image.
    """

    encoder: str
    settings: dict[str, Any] = Field(default={})
    weight: Weight = 1.0


class ConcatSettings(Settings):
    """Settings of `Concat`.

    Attributes:
        text: Encodes the items' texts.
        image: Encodes the items' images.
    """

    text: Part = Part(encoder="minilm")
    image: Part = Part(encoder="efficientnet_lite0")


class Concat:
    """[weight · text vector, weight · image vector], L2-normalised.

    The part of what an item lacks is zero, so that an item without an image is compared by its
    text, and one without a text by its image.

    Args:
        encoders: Of the text, then of the image.
        weights: Of the two.
    """

    settings_type: ClassVar[type[ConcatSettings]] = ConcatSettings
    uses_images: ClassVar[bool] = True

    def __init__(self, encoders: tuple[Encoder, Encoder], weights: tuple[float, float]) -> None:
        self._encoders, self._weights = encoders, weights
        identities = [encoder.identity for encoder in encoders]
        self._identity = EncoderIdentity(
            encoder="concat",
            model=" + ".join(identity.model for identity in identities),
            weights=digest([identity.weights for identity in identities]),
            pooling=" + ".join(identity.pooling for identity in identities),
            dim=sum(identity.dim for identity in identities),
            dtype=" + ".join(identity.dtype for identity in identities),
            settings={
                "weights": list(weights),
                "encoders": [identity.model_dump() for identity in identities],
            },
        )

    @classmethod
    def load(cls, settings: ConcatSettings) -> Self:
        """Return the encoder with both weights loaded.

        Raises:
            UnknownNameError: a part names no encoder.
            ConfigError: a setting of a part is wrong.
            EncoderError: the weights of a part are missing or not whole.
        """
        parts = (settings.text, settings.image)
        text, image = (
            load_encoder(EncoderConfig(encoder=part.encoder, settings=part.settings))
            for part in parts
        )
        return cls((text, image), (settings.text.weight, settings.image.weight))

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the hash of both parts' keys; ``None`` where neither has anything to encode."""
        keys = [
            encoder.key(part) for encoder, part in zip(self._encoders, _parts_of(item), strict=True)
        ]
        return None if keys == [None, None] else digest(keys)

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item."""
        parts = list(zip(*(_parts_of(item) for item in items), strict=True))
        text, image = self._encoders
        blocks = [_rows(text, parts[0], _nothing), _rows(image, parts[1], advance)]
        advance(sum(image.key(item) is None for item in parts[1]))
        scaled = [block * weight for block, weight in zip(blocks, self._weights, strict=True)]
        values = np.concatenate(scaled, axis=1)
        return values / np.linalg.norm(values, axis=1, keepdims=True)


def _rows(
    encoder: Encoder, items: Sequence[ItemContent], advance: Advance
) -> Float[np.ndarray, "N D"]:
    """Return the vector of every item, zeros where it has nothing to encode."""
    values = np.zeros((len(items), encoder.identity.dim), np.float32)
    present = [row for row, item in enumerate(items) if encoder.key(item) is not None]
    if present:
        values[present] = encoder.encode([items[row] for row in present], advance)
    return values


def _parts_of(item: ItemContent) -> tuple[ItemContent, ItemContent]:
    return replace(item, image=None, image_hash=None), replace(item, text="")


def _nothing(count: int) -> int:
    return count
