"""What an item encoder is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, PositiveInt

from models.errors import EncoderError
from models.settings import Settings, digest

Advance = Callable[[int], object]


class EncoderIdentity(BaseModel):
    """What decides an embedding besides the item; stands in ``encoder.json``.

    Attributes:
        encoder: Registry name.
        model: Name of the weights folder or file.
        weights: SHA-256 over the weights, configuration and vocabulary files.
        pooling: How token states become one vector.
        dim: Width of the embedding.
        dtype: Number format of the encoder; embeddings are always float32.
        settings: Further settings that change the result (instruction, lengths, pixels).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    model: str
    weights: str
    pooling: str
    dim: int
    dtype: str
    settings: dict[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 of the identity."""
        return digest(self.model_dump())


@dataclass(frozen=True, slots=True)
class ItemContent:
    """What an encoder sees of an item: its text (may be empty) and a readable image, if any."""

    item_id: int | str
    text: str
    image: Path | None = None
    image_hash: str | None = None

    @property
    def content_key(self) -> str | None:
        """Hash of text and image bytes; ``None`` where the item has neither."""
        if not self.text and self.image_hash is None:
            return None
        return digest([self.text, self.image_hash])


class DeviceSettings(Settings):
    """Where an encoder computes, which changes what it returns by no more than rounding.

    Attributes:
        device: ``auto`` takes a GPU where there is one.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"

    def torch_device(self) -> torch.device:
        """Return the device to compute on, or raise `EncoderError` where there is no GPU."""
        present = torch.cuda.is_available()
        if self.device == "cuda" and not present:
            raise EncoderError(
                "There is no GPU that torch can use.",
                where="encoder settings: device",
                allowed="auto, cpu",
                do="Set device: auto, or install a torch with CUDA on a machine with a GPU.",
            )
        return torch.device("cuda" if present and self.device != "cpu" else "cpu")


class ComputeSettings(DeviceSettings):
    """Where, in what numbers and in what batches an encoder of tokens computes.

    Attributes:
        dtype: ``auto`` takes bfloat16 where the hardware multiplies it natively, else float32.
        token_budget: Tokens of one batch, padding included.
    """

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    token_budget: PositiveInt = 4096

    def torch_dtype(self, device: torch.device) -> torch.dtype:
        """Return the number format to compute in on ``device``."""
        if self.dtype != "auto":
            return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32
        return torch.bfloat16 if native_bfloat16(device) else torch.float32


def native_bfloat16(device: torch.device) -> bool:
    """Tell whether ``device`` multiplies bfloat16 faster than float32.

    On a CPU that takes AMX: with avx512_bf16 alone, torch 2.13 was measured at 0.6 × the speed of
    float32. The answer depends on the hardware alone, never on a timing, so that a repeated run
    takes the same format.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


class Encoder(Protocol):
    """Turns item content into L2-normalised float32 vectors.

    A row of NaN says: this item cannot be embedded; it is left out and reported.
    """

    settings_type: ClassVar[type[Settings]]
    uses_images: ClassVar[bool]

    @classmethod
    def load(cls, settings: Any) -> Self:
        """Return the encoder with its weights loaded, offline; settings of ``settings_type``."""
        ...

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        ...

    def key(self, item: ItemContent) -> str | None:
        """Return what the item's embedding depends on; equal keys share one embedding.

        ``None`` says that there is nothing to embed.
        """
        ...

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item, in order; ``advance(k)`` is told of every k items done."""
        ...
