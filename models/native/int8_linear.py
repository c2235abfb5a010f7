"""A linear layer in 8 bits, rounded so that its outputs change as little as they can.

Results stay near float32's by five measures: a scale for each output; a range for each token and
group of inputs; a factor for each input that moves the spread of the inputs into the weights
(SmoothQuant, Xiao et al., ICML 2023, Eq. 4); the widest inputs kept in float32 (LLM.int8(),
Dettmers et al., NeurIPS 2022); and rounding whose errors make each other good (GPTQ, Frantar et
al., ICLR 2023). What the kernel computes with it stands in ``source/int8_encoder.h``.
"""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from models.native.library import NativeCallError

OUTLIERS = 16
"""Inputs of each layer that stay in float32."""
GROUP = 128
"""Inputs that share a range; GROUP in int8_encoder.h."""
PANEL = 48
"""Outputs that stand together in the weights; PANEL in int8_linear.inc."""
LANES = 16
"""Inputs and outputs are a multiple of it."""
_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)
_SMALLEST = 1e-5
_DAMPING = 0.01
_SIZES = ("inputs", "outputs", "outliers")
_PLACES = ("unscale", "weights", "scale", "group_sum", "bias", "outlier", "outlier_weights")


class LinearFields(ctypes.Structure):
    """Mirrors ``Int8Linear`` in int8_encoder.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in _PLACES),
    ]


@dataclass(frozen=True, slots=True)
class QuantisedLinear:
    """A linear layer in 8 bits; made by `quantise_linear`."""

    unscale: Float32[Tensor, " I"]
    weights: Tensor  # int8, panels of 48 outputs: I / 4, 48, 4
    scale: Float32[Tensor, " O"]
    group_sum: Float32[Tensor, "G O"]
    bias: Float32[Tensor, " O"]
    outlier: Tensor  # int32
    outlier_weights: Float32[Tensor, "K O"]

    @property
    def inputs(self) -> int:
        """Width of what it takes."""
        return len(self.unscale)

    @property
    def outputs(self) -> int:
        """Width of what it gives."""
        return len(self.scale)

    def structure(self) -> LinearFields:
        """Return what the library reads; it points into the tensors here."""
        sizes = (self.inputs, self.outputs, len(self.outlier))
        return LinearFields(*sizes, *(getattr(self, name).data_ptr() for name in _PLACES))


def quantise_linear(
    weight: Float32[Tensor, "O I"], bias: Float32[Tensor, " O"], inputs: Float32[Tensor, "N I"]
) -> QuantisedLinear:
    """Return a linear layer in 8 bits.

    Args:
        weight: Weights.
        bias: Bias.
        inputs: What the layer is given on typical texts.

    Raises:
        NativeCallError: the widths are no multiples of 16, or a number is not finite.
    """
    _check(weight, bias, inputs)
    spread = inputs.abs().amax(0).clamp_min(_SMALLEST)
    factor = (spread / weight.abs().amax(0).clamp_min(_SMALLEST)).sqrt()
    scaled = weight * factor
    outlier = (spread / factor).topk(min(OUTLIERS, len(spread))).indices.sort().values
    outlier_weights = scaled[:, outlier].T.contiguous()
    scaled[:, outlier] = 0.0
    seen = inputs / factor
    seen[:, outlier] = 0.0
    scale = _scales(scaled)
    whole = _rounded(scaled, scale, seen)
    return QuantisedLinear(
        unscale=(1.0 / factor).contiguous(),
        weights=_panels(whole),
        scale=scale,
        group_sum=torch.stack([part.sum(1) for part in whole.split(GROUP, dim=1)]),
        bias=bias.clone().contiguous(),
        outlier=outlier.to(torch.int32).contiguous(),
        outlier_weights=outlier_weights,
    )


def _scales(weight: Float32[Tensor, "O I"]) -> Float32[Tensor, " O"]:
    """Return the scale of each output whose whole numbers in ±127 lie nearest to its weights."""
    largest = weight.abs().amax(1).clamp_min(_SMALLEST * _SMALLEST) / 127.0
    scales = torch.stack([largest * clip for clip in _CLIPS])  # C O
    errors = [
        ((_whole(weight, one[:, None]) * one[:, None] - weight) ** 2).sum(1) for one in scales
    ]
    return scales.gather(0, torch.stack(errors).argmin(0)[None]).squeeze(0).contiguous()


def _rounded(
    weight: Float32[Tensor, "O I"], scale: Float32[Tensor, " O"], seen: Float32[Tensor, "N I"]
) -> Float32[Tensor, "O I"]:
    """Return the whole numbers of the weights, each input's rounding made good by the next inputs.

    GPTQ (Frantar et al., ICLR 2023, Algorithm 1): what rounding one input's weights changes in the
    outputs for the inputs ``seen``, the weights of the inputs after it take back.
    """
    rest, step = weight.clone(), scale[:, None]
    moments = seen.T @ seen
    moments.diagonal().add_(_DAMPING * moments.diagonal().mean() + _SMALLEST)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    inverse = torch.linalg.cholesky(inverse, upper=True)  # I I
    whole = torch.empty_like(weight)
    for first in range(0, weight.shape[1], GROUP):
        last = min(first + GROUP, weight.shape[1])
        errors = torch.empty(len(weight), last - first)
        for i in range(first, last):
            column = rest[:, i : i + 1]
            whole[:, i : i + 1] = _whole(column, step)
            error = (column - whole[:, i : i + 1] * step) / inverse[i, i]
            rest[:, i:last] -= error * inverse[i, i:last]
            errors[:, i - first] = error.squeeze(1)
        rest[:, last:] -= errors @ inverse[first:last, last:]
    return whole


def _whole(weight: Float32[Tensor, "O _"], step: Float32[Tensor, "O 1"]) -> Float32[Tensor, "O _"]:
    return (weight / step).round().clamp(-127.0, 127.0)


def _panels(whole: Float32[Tensor, "O I"]) -> Tensor:
    outputs, inputs = whole.shape
    panels = -(-outputs // PANEL)
    padded = torch.zeros(panels * PANEL, inputs, dtype=torch.int8)
    padded[:outputs] = whole.to(torch.int8)
    return padded.view(panels, PANEL, inputs // 4, 4).permute(0, 2, 1, 3).contiguous()


def _check(weight: Tensor, bias: Tensor, inputs: Tensor) -> None:
    outputs, width = weight.shape
    if outputs % LANES or width % LANES or len(bias) != outputs or inputs.shape[1] != width:
        raise NativeCallError(
            f"Weights {tuple(weight.shape)}, bias {tuple(bias.shape)}, inputs "
            f"{tuple(inputs.shape)}. Allowed: widths that agree and are multiples of {LANES}."
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in (weight, bias, inputs)):
        raise NativeCallError("A weight, or what it is multiplied with, is not a finite number.")
