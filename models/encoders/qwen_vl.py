"""Qwen vision-language models as item encoders (DAIAN 4.1; Qwen3-VL-Embedding).

Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3-VL-Embedding folders: instruction as system message, image
and text as user message, the state of the last token as embedding. The tokenizer and the PIL image
processor are used directly, without the models' own processor classes, which import torchvision.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from models.encoders.base import Advance, ComputeSettings, EncoderIdentity, ItemContent
from models.encoders.batching import token_budget_batches
from models.encoders.qwen_prompts import Prompt, QwenPrompts
from models.encoders.replicas import over_replicas
from models.encoders.weights import check_weights, go_offline, load_model, weights_hash
from models.errors import EncoderError

MODEL_TYPES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


class QwenVLSettings(ComputeSettings):
    """Settings of `QwenVL`.

    Attributes:
        folder: Weights folder.
        instruction: System message; Qwen3-VL-Embedding was trained with an instruction, and this
            one is its default.
        max_length: Text tokens after which a text is cut; image tokens are not counted.
        min_pixels: Smaller images are scaled up to this many pixels.
        max_pixels: Larger images are scaled down to this many pixels, which bounds the tokens of
            an image: 1,024 pixels a token in Qwen3-VL, 784 in the older ones.
        dim: Width to keep; Qwen3-VL-Embedding's first numbers are an embedding by themselves
            (matryoshka representation learning). ``None`` keeps all.
        devices: Devices that share the items, each with the whole model, such as ``cuda:0`` and
            ``cuda:1``; empty takes what ``device`` says, and of GPUs all there are.
    """

    folder: Path
    instruction: str = "Represent the user's input."
    max_length: PositiveInt = 512
    min_pixels: PositiveInt = 4096
    max_pixels: PositiveInt = 262_144
    dim: Annotated[int, Field(ge=8)] | None = None
    token_budget: PositiveInt = 8192
    devices: tuple[str, ...] = ()

    def torch_devices(self) -> list[torch.device]:
        """Return the devices to compute on, or raise `EncoderError` where one is not there."""
        if not self.devices:
            device = self.torch_device()
            gpus = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
            return gpus if device.type == "cuda" else [device]
        there = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        absent = [name for name in self.devices if name not in there]
        if absent:
            raise EncoderError(
                f"There is no device {', '.join(absent)}.",
                where="encoder settings: devices",
                allowed=", ".join(there),
                do="Name devices of this machine, or leave devices empty.",
            )
        return [torch.device(name) for name in self.devices]


class QwenVL:
    """Image and text, either alone or both → state of the last token, L2-normalised."""

    settings_type: ClassVar[type[QwenVLSettings]] = QwenVLSettings
    uses_images: ClassVar[bool] = True

    def __init__(
        self,
        models: Sequence[Any],
        prompts: QwenPrompts,
        identity: EncoderIdentity,
        token_budget: int,
    ) -> None:
        self._models = models
        self._prompts, self._identity = prompts, identity
        self._token_budget = token_budget

    @classmethod
    def load(cls, settings: QwenVLSettings) -> Self:
        """Return the encoder with its weights loaded.

        Raises:
            EncoderError: the folder is missing, not whole or of another architecture, or ``dim``
                is greater than the model's width.
        """
        folder = settings.folder.expanduser()
        config = check_weights(folder, MODEL_TYPES)
        width = int({**config, **config.get("text_config", {})}["hidden_size"])
        if settings.dim is not None and settings.dim > width:
            raise EncoderError(
                f"The embedding cannot be {settings.dim} wide.",
                where="encoder settings: dim",
                allowed=f"8 to {width}",
            )
        go_offline()
        from transformers import AutoModel

        devices = settings.torch_devices()
        dtype = settings.torch_dtype(devices[0])
        models = [load_model(AutoModel, folder, dtype, device) for device in devices]
        changing = {"instruction", "max_length", "min_pixels", "max_pixels"}
        identity = EncoderIdentity(
            encoder="qwen_vl",
            model=folder.name,
            weights=weights_hash(folder),
            pooling="last token",
            dim=settings.dim or width,
            dtype=str(dtype).removeprefix("torch."),
            settings=settings.model_dump(include=changing),
        )
        prompts = QwenPrompts.load(
            folder,
            settings.instruction,
            settings.max_length,
            (settings.min_pixels, settings.max_pixels),
        )
        return cls(models, prompts, identity, settings.token_budget)

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the hash of the item's text and image; ``None`` where it has neither."""
        return item.content_key

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item."""
        prompts = [self._prompts.prompt(item) for item in items]
        lengths = [prompt.num_tokens for prompt in prompts]
        batches = token_budget_batches(lengths, self._token_budget)
        parts = [[prompts[row] for row in rows] for rows in batches]
        result = np.empty((len(items), self._identity.dim), np.float32)
        states = over_replicas(self._models, self._last_states, parts)
        for rows, last in zip(batches, states, strict=True):
            kept = last[:, : self._identity.dim]
            result[rows] = torch.nn.functional.normalize(kept, dim=-1).numpy()
            advance(len(rows))
        return result

    @torch.inference_mode()
    def _last_states(self, model: Any, prompts: Sequence[Prompt]) -> Float[Tensor, "B D"]:
        """Return the last token's state of each prompt; padding stands on the right."""
        inputs = self._prompts.inputs(prompts)
        inputs = {name: value.to(model.device) for name, value in inputs.items()}
        states = model(**inputs, use_cache=False).last_hidden_state  # B T D
        newest = (inputs["attention_mask"].sum(1) - 1)[:, None, None]  # B 1 1
        return states.take_along_dim(newest, dim=1).squeeze(1).float().cpu()
