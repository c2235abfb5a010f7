"""A BERT-like text encoder with 8-bit matrix products, on processors with AVX-512 VNNI.

On such a processor without AMX, 8-bit products are several times as fast as float32 ones, and
bfloat16 ones are not. Layer norm, softmax, GELU and sums are in float32. The sources in
``source/int8_*`` say how; `models.native.int8_linear` says how accuracy is kept.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from models.native.int8_linear import LANES, LinearFields, QuantisedLinear
from models.native.library import NativeCallError, available, library

_LAYER_LINEARS = ("project", "attended", "expand", "contract")
_LAYER_NORMS = (
    "attention_norm_weight", "attention_norm_bias", "output_norm_weight", "output_norm_bias",
)  # fmt: skip


class _Layer(ctypes.Structure):
    """Mirrors ``Int8Layer``."""

    _fields_ = [
        *((name, LinearFields) for name in _LAYER_LINEARS),
        *((name, ctypes.c_void_p) for name in _LAYER_NORMS),
    ]


class _Call(ctypes.Structure):
    """Mirrors ``Int8Call``."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("sequences", "width", "heads", "layers", "threads")),
        ("epsilon", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("begin", "layer", "states", "pooled")),
    ]


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One transformer layer: post-norm self-attention, then post-norm GELU feed-forward."""

    project: QuantisedLinear  # query, key, value side by side
    attended: QuantisedLinear
    expand: QuantisedLinear
    contract: QuantisedLinear
    attention_norm_weight: Float32[Tensor, " H"]
    attention_norm_bias: Float32[Tensor, " H"]
    output_norm_weight: Float32[Tensor, " H"]
    output_norm_bias: Float32[Tensor, " H"]

    def structure(self) -> _Layer:
        """Return what the library reads; it points into the tensors here."""
        linears = (self.project, self.attended, self.expand, self.contract)
        norms = (getattr(self, name).data_ptr() for name in _LAYER_NORMS)
        return _Layer(*(linear.structure() for linear in linears), *norms)


class Int8Encoder:
    """Runs transformer layers over sequences of any lengths, without padding.

    Args:
        layers: The layers; their tensors are kept alive.
        heads: Attention heads.
        epsilon: Of the layer norms.

    Raises:
        NativeCallError: the layers' widths do not fit each other or the heads.
    """

    def __init__(self, layers: Sequence[EncoderLayer], heads: int, epsilon: float) -> None:
        self._layers, self._heads, self._epsilon = tuple(layers), heads, epsilon
        self._width = len(layers[0].output_norm_weight)
        for layer in layers:
            _check_widths(layer, self._width, heads)
        self._structures = (_Layer * len(layers))(*(layer.structure() for layer in layers))

    def pooled(
        self, states: Float32[Tensor, "T H"], begin: Int64[Tensor, " S1"], threads: int
    ) -> Float32[Tensor, "S H"]:
        """Return the mean of each sequence's last states; the same bits in any batch.

        Args:
            states: Embedded tokens of all sequences, one after the other; they are overwritten.
            begin: First token of each sequence, then the number of tokens.
            threads: Threads at most.

        Raises:
            NativeCallError: the tensors do not fit the call, or memory ran out.
        """
        _check(states, begin, self._width)
        sequences = len(begin) - 1
        result = torch.empty(sequences, self._width)
        call = _Call(
            sequences=sequences,
            width=self._width,
            heads=self._heads,
            layers=len(self._layers),
            threads=max(1, min(threads, sequences)),
            epsilon=self._epsilon,
            begin=begin.data_ptr(),
            layer=ctypes.addressof(self._structures),
            states=states.data_ptr(),
            pooled=result.data_ptr(),
        )
        if code := library().intentflow_int8_encode(ctypes.byref(call)):
            raise NativeCallError(f"The 8-bit encoder failed: code {code}, 3 is a lack of memory.")
        return result


def int8_available() -> bool:
    """Return whether the kernels are there and this processor multiplies 8-bit integers fast."""
    if not available():
        return False
    expected = 1000 * ctypes.sizeof(_Call) + ctypes.sizeof(_Layer)
    found = library()
    return found.intentflow_int8_layout() == expected and bool(found.intentflow_int8_supported())


def _check(states: Tensor, begin: Tensor, width: int) -> None:
    good = states.dtype == torch.float32 and states.is_contiguous() and states.device.type == "cpu"
    if not good or states.ndim != 2 or states.shape[1] != width:
        raise NativeCallError(
            f"States are {states.dtype} {tuple(states.shape)} on {states.device}. "
            f"Allowed: contiguous float32 on the CPU, {width} wide."
        )
    ascending = begin.dtype == torch.int64 and len(begin) > 1 and bool((begin.diff() > 0).all())
    if not ascending or int(begin[0]) != 0 or int(begin[-1]) != len(states):
        raise NativeCallError(
            "The sequences do not cover the tokens. "
            "Allowed: int64 begins, ascending from 0 to the number of tokens, none of them empty."
        )


def _check_widths(layer: EncoderLayer, width: int, heads: int) -> None:
    inner = layer.expand.outputs
    expected = ((width, 3 * width), (width, width), (width, inner), (inner, width))
    linears = (layer.project, layer.attended, layer.expand, layer.contract)
    found = tuple((linear.inputs, linear.outputs) for linear in linears)
    norms = {len(getattr(layer, name)) for name in _LAYER_NORMS}
    if found != expected or norms != {width} or width % (heads * LANES) or inner % LANES:
        raise NativeCallError(
            f"Linear layers of {found}, norms of {norms}, {heads} heads. Allowed: {expected} and "
            f"{width}, and a width that is a multiple of {LANES} in each head."
        )
