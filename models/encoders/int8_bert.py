"""BERT's forward pass with 8-bit products: the same weights, several times as fast on some CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from models.native.int8_encoder import EncoderLayer, Int8Encoder, int8_available
from models.native.int8_linear import LANES, QuantisedLinear, quantise_linear

_CALIBRATION = ((200, 3), (100, 5), (50, 8), (64, 20), (4, 128))
"""Texts and their tokens: short ones too, of which the first and last token are a great part."""
_SEED = 0


class Int8Bert:
    """A `transformers` BertModel whose layers run in 8 bits.

    What the layers are given is taken on random tokens of the vocabulary, always the same ones, so
    that an embedding depends on its text and the weights alone.

    Args:
        model: The model in float32; its embedding tables go on being used.
        ends: Tokens that every text begins and ends with.
    """

    def __init__(self, model: Any, ends: tuple[int, int]) -> None:
        self._model, self._ends = model, ends

    @cached_property
    def _encoder(self) -> Int8Encoder:
        """The layers in 8 bits: made when the first text comes, for it takes some seconds."""
        model, config = self._model, self._model.config
        with _one_thread():
            seen = _typical_inputs(model, self._ends)
            layers = [
                _quantised(layer, seen, f"encoder.layer.{index}")
                for index, layer in enumerate(model.encoder.layer)
            ]
        return Int8Encoder(layers, config.num_attention_heads, config.layer_norm_eps)

    def __call__(self, ids: list[list[int]]) -> Float[Tensor, "S H"]:
        """Return the mean of each sequence's last token states."""
        lengths = torch.tensor([len(row) for row in ids])
        begin = torch.zeros(len(ids) + 1, dtype=torch.int64)
        torch.cumsum(lengths, 0, out=begin[1:])
        tokens = torch.tensor([token for row in ids for token in row])
        states = self._embed(
            tokens, torch.arange(len(tokens)) - begin[:-1].repeat_interleave(lengths)
        )
        return self._encoder.pooled(states, begin, torch.get_num_threads())

    def _embed(self, tokens: Int64[Tensor, " T"], positions: Int64[Tensor, " T"]) -> Tensor:
        embeddings = self._model.embeddings(input_ids=tokens[None], position_ids=positions[None])
        return embeddings.squeeze(0).contiguous()


def fits_int8(config: dict[str, Any]) -> bool:
    """Tell whether this machine and the architecture of ``config`` allow `Int8Bert`."""
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    return (
        int8_available()
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and width % (heads * LANES) == 0
        and int(config["intermediate_size"]) % LANES == 0
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, so that the weights in 8 bits do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _typical_inputs(model: Any, ends: tuple[int, int]) -> dict[str, Float[Tensor, "N I"]]:
    """Return what every linear layer is given on random tokens between ``ends``."""
    seen: dict[str, list[Tensor]] = {}

    def hook(name: str) -> Any:
        def note(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            seen.setdefault(name, []).append(inputs[0].flatten(0, -2))

        return note

    linears = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    handles = [part.register_forward_hook(hook(name)) for name, part in linears.items()]
    generator = torch.Generator().manual_seed(_SEED)
    for texts, tokens in _CALIBRATION:
        shape = (texts, min(tokens, model.config.max_position_embeddings))
        ids = torch.randint(model.config.vocab_size, shape, generator=generator)
        ids[:, 0], ids[:, -1] = ends
        model(input_ids=ids)
    for handle in handles:
        handle.remove()
    return {name: torch.cat(parts) for name, parts in seen.items()}


@torch.no_grad()
def _quantised(layer: Any, seen: dict[str, Tensor], name: str) -> EncoderLayer:
    attention = layer.attention
    parts = (attention.self.query, attention.self.key, attention.self.value)
    return EncoderLayer(
        project=quantise_linear(
            torch.cat([part.weight for part in parts]),
            torch.cat([part.bias for part in parts]),
            seen[f"{name}.attention.self.query"],
        ),
        attended=_linear(attention.output.dense, seen[f"{name}.attention.output.dense"]),
        expand=_linear(layer.intermediate.dense, seen[f"{name}.intermediate.dense"]),
        contract=_linear(layer.output.dense, seen[f"{name}.output.dense"]),
        attention_norm_weight=attention.output.LayerNorm.weight.detach().clone(),
        attention_norm_bias=attention.output.LayerNorm.bias.detach().clone(),
        output_norm_weight=layer.output.LayerNorm.weight.detach().clone(),
        output_norm_bias=layer.output.LayerNorm.bias.detach().clone(),
    )


def _linear(part: nn.Linear, inputs: Float[Tensor, "N I"]) -> QuantisedLinear:
    return quantise_linear(part.weight, part.bias, inputs)
