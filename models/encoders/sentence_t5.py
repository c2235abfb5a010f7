"""Sentence-T5 (Ni et al., ACL Findings 2022, arXiv:2108.08877), the text encoder of GenCI 3.1.4."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from pydantic import PositiveInt
from safetensors.torch import load_file
from torch import Tensor

from models.encoders.base import Advance, ComputeSettings, EncoderIdentity, ItemContent
from models.encoders.text_transformer import TextTransformer
from models.encoders.weights import (
    check_safetensors,
    check_weights,
    go_offline,
    load_model,
    read_json,
    weights_hash,
)
from models.errors import EncoderError

STAGES = ["Transformer", "Pooling", "Dense", "Normalize"]


class SentenceT5Settings(ComputeSettings):
    """Settings of `SentenceT5`.

    Attributes:
        folder: A sentence-transformers folder: T5 encoder, mean pooling, dense, normalise.
        max_length: Tokens after which a text is cut; the published models were trained with 256.
    """

    folder: Path
    max_length: PositiveInt = 256


class SentenceT5:
    """Text → T5 encoder → mean of the token states → dense without bias → L2 norm."""

    settings_type: ClassVar[type[SentenceT5Settings]] = SentenceT5Settings
    uses_images: ClassVar[bool] = False

    def __init__(
        self,
        transformer: TextTransformer,
        dense: Float[Tensor, "D H"],
        identity: EncoderIdentity,
    ) -> None:
        self._transformer, self._dense, self._identity = transformer, dense, identity

    @classmethod
    def load(cls, settings: SentenceT5Settings) -> Self:
        """Return the encoder with its weights loaded.

        Raises:
            EncoderError: the folder is missing, not whole, or is no Sentence-T5.
        """
        folder = settings.folder.expanduser()
        transformer_folder, dense_folder = _stage_folders(folder)
        check_weights(transformer_folder, ("t5",))
        dense = _dense_weight(dense_folder)
        go_offline()
        from transformers import AutoModelForTextEncoding, AutoTokenizer

        dtype = settings.torch_dtype()
        device = settings.torch_device()
        model = load_model(AutoModelForTextEncoding, transformer_folder, dtype, device)
        tokenizer = AutoTokenizer.from_pretrained(transformer_folder, local_files_only=True)
        identity = EncoderIdentity(
            encoder="sentence_t5",
            model=folder.name,
            weights=weights_hash(folder),
            pooling="mean, dense",
            dim=dense.shape[0],
            dtype=str(dtype).removeprefix("torch."),
            settings={"max_length": settings.max_length},
        )
        transformer = TextTransformer(tokenizer, model, settings.max_length, settings.token_budget)
        return cls(transformer, dense, identity)

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
        return torch.nn.functional.normalize(pooled @ self._dense.T, dim=-1).numpy()


def _stage_folders(folder: Path) -> tuple[Path, Path]:
    """Return the folders of transformer and dense layer, after checking the stages' order.

    The current layout keeps the transformer's files at the top, the legacy one in
    ``0_Transformer``; ``modules.json`` names the folder in both.
    """
    if not folder.is_dir():
        check_weights(folder, ("t5",))  # says that the folder is absent
    modules = read_json(folder / "modules.json")
    entries = sorted(modules, key=lambda entry: entry["idx"]) if isinstance(modules, list) else []
    stages = [str(entry["type"]).rpartition(".")[2] for entry in entries]
    if stages != STAGES:
        raise EncoderError(
            f"The folder holds the stages {stages}.",
            where=str(folder / "modules.json"),
            allowed=str(STAGES),
            do="Use a Sentence-T5 folder, or the encoder made for this model.",
        )
    pooling = read_json(folder / entries[1]["path"] / "config.json")
    mean = pooling.get("pooling_mode", pooling.get("pooling_mode_mean_tokens"))
    if mean not in ("mean", True):
        raise EncoderError(
            "The folder does not pool by the mean of the tokens.",
            where=str(folder / entries[1]["path"] / "config.json"),
            allowed="pooling_mode_mean_tokens: true",
        )
    return folder / entries[0]["path"], folder / entries[2]["path"]


def _dense_weight(folder: Path) -> Float[Tensor, "D H"]:
    """Return the dense layer's matrix, float32; Sentence-T5 has neither bias nor activation."""
    config = read_json(folder / "config.json")
    check_safetensors(folder / "model.safetensors")
    tensors = load_file(str(folder / "model.safetensors"))
    activation = str(config.get("activation_function", "Identity"))
    if set(tensors) != {"linear.weight"} or not activation.endswith("Identity"):
        raise EncoderError(
            f"The dense layer has {sorted(tensors)} and activation {activation}.",
            where=str(folder),
            allowed="linear.weight alone, with the identity as activation",
        )
    return tensors["linear.weight"].float()
