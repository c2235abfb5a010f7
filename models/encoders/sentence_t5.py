"""Sentence-T5 (Ni et al., ACL Findings 2022, arXiv:2108.08877), the text encoder of GenCI 3.1.4."""

from pathlib import Path
from typing import ClassVar, Self

from jaxtyping import Float
from pydantic import PositiveInt
from safetensors.torch import load_file
from torch import Tensor

from models.encoders.base import ComputeSettings, EncoderIdentity
from models.encoders.text_transformer import (
    PaddedTransformer,
    TextEncoder,
    TextTransformer,
    load_tokenizer,
)
from models.encoders.weights import (
    check_safetensors,
    check_weights,
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


class SentenceT5(TextEncoder):
    """Text → T5 encoder → mean of the token states → dense without bias → L2 norm."""

    settings_type: ClassVar[type[SentenceT5Settings]] = SentenceT5Settings

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
        tokenizer = load_tokenizer(transformer_folder)
        from transformers import AutoModelForTextEncoding

        device = settings.torch_device()
        dtype = settings.torch_dtype(device)
        model = load_model(AutoModelForTextEncoding, transformer_folder, dtype, device)
        identity = EncoderIdentity(
            encoder="sentence_t5",
            model=folder.name,
            weights=weights_hash(folder),
            pooling="mean, dense",
            dim=dense.shape[0],
            dtype=str(dtype).removeprefix("torch."),
            settings={"max_length": settings.max_length},
        )
        pool = PaddedTransformer(model, tokenizer.pad_token_id)
        transformer = TextTransformer(tokenizer, pool, settings.max_length, settings.token_budget)
        return cls(transformer, identity, dense)


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
