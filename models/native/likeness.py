"""Levels of likeness between items, most of them told by content in 8 bits, in one native pass.

What is computed stands in ``source/likeness.h``; `models.layers.similarity` has the same in torch.
Tensors are on the CPU, content float32 and a multiple of 16 wide.
"""

import ctypes
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int, Int8, Int64
from torch import Tensor

from models.native.library import (
    INSTRUCTIONS,
    NativeCallError,
    available,
    chosen_instructions,
    library,
)

LANES, COARSE = 16, 32
_BLOCK = 8192  # items of which 8-bit content is made at once
_WIDEST = 100_000  # floats: the products of more bytes may pass 32 bits
_LEAST_STEP = 1e-30
_ERRORS = {
    1: "an item or a row's range points outside its table",
    3: "there is not enough memory",
    4: "this processor lacks the instruction set",
}


class _Call(ctypes.Structure):
    """Mirrors ``LikenessCall`` in likeness.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "items", "pairs", "dim", "coarse_dim")),
        *((name, ctypes.c_int64) for name in ("edges", "threads", "instructions")),
        *((name, ctypes.c_void_p) for name in ("content", "coarse", "step", "slack", "asking")),
        *((name, ctypes.c_void_p) for name in ("item", "offsets", "edge", "level")),
    ]


LAYOUT = 1000 * ctypes.sizeof(_Call) + 1


class Coarse(NamedTuple):
    """Content of every item as ``step * bytes``.

    Attributes:
        bytes: The content in 8 bits, zeros behind.
        step: What 1 stands for in a row of them.
        slack: Length of what they leave out; -1 for an item without content.
    """

    bytes: Int8[Tensor, "N Cp"]
    step: Float32[Tensor, " N"]
    slack: Float32[Tensor, " N"]

    @classmethod
    def of(cls, content: Float32[Tensor, "N C"]) -> "Coarse":
        """Return the 8-bit form of rows of length 1; a row of NaN is an item without content."""
        items, width = content.shape
        found = torch.zeros(items, -(-width // COARSE) * COARSE, dtype=torch.int8)
        step, slack = torch.empty(items), torch.empty(items)
        for first in range(0, items, _BLOCK):
            rows = slice(first, first + _BLOCK)
            part = content[rows]
            step[rows] = part.abs().amax(-1).div_(127).clamp_min_(_LEAST_STEP).nan_to_num_()
            whole = (part / step[rows, None]).round_().nan_to_num_()
            found[rows, :width] = whole.to(torch.int8)
            rest = torch.linalg.vector_norm(part - whole * step[rows, None], dim=-1)
            slack[rows] = rest.nan_to_num_(nan=-1.0)
        return cls(found, step, slack)


class Pairs(NamedTuple):
    """Which items are compared.

    Attributes:
        asking: The item of each row.
        items: The items it is compared with, row after row.
        offsets: Where each row starts in ``items``, and the end of the last one.
    """

    asking: Int[Tensor, " R"]
    items: Int[Tensor, " P"]
    offsets: Int[Tensor, " R1"]


def takes(content: Float32[Tensor, "N C"]) -> bool:
    """Return whether the kernel is there and reads such content."""
    return (
        content.device.type == "cpu"
        and content.dtype == torch.float32
        and content.shape[1] % LANES == 0
        and 0 < content.shape[1] <= _WIDEST
        and not torch.compiler.is_compiling()
        and available()
        and library().intentflow_likeness_layout() == LAYOUT
    )


def levels(
    content: Float32[Tensor, "N C"], coarse: Coarse, pairs: Pairs, edges: Float32[Tensor, " edges"]
) -> Int64[Tensor, " P"]:
    """Return the number of edges below each pair's cosine; -1 where either has no content.

    Args:
        content: Of every item, rows of length 1.
        coarse: The same in 8 bits.
        pairs: The pairs.
        edges: The edges, ascending.

    Raises:
        NativeCallError: an item or an offset points outside.
    """
    asking, items, offsets = (one.to(torch.int64).contiguous() for one in pairs)
    content, bits, step, slack = (one.contiguous() for one in (content, *coarse))
    edge = edges.to(torch.float32).contiguous()
    shapes = {len(one) for one in (content, bits, step, slack)}
    if offsets.shape != (len(asking) + 1,) or len(shapes) > 1:
        raise NativeCallError(f"{len(offsets)} offsets for {len(asking)} rows, tables of {shapes}.")
    found = torch.empty(len(items), dtype=torch.int64)
    call = _Call(
        rows=len(asking), items=len(content), pairs=len(items), dim=content.shape[1],
        coarse_dim=bits.shape[1], edges=len(edge),
        threads=torch.get_num_threads(), instructions=INSTRUCTIONS.index(chosen_instructions()),
        content=content.data_ptr(), coarse=bits.data_ptr(), step=step.data_ptr(),
        slack=slack.data_ptr(), asking=asking.data_ptr(), item=items.data_ptr(),
        offsets=offsets.data_ptr(), edge=edge.data_ptr(), level=found.data_ptr(),
    )  # fmt: skip
    status = library().intentflow_likeness(ctypes.byref(call))
    if status:
        raise NativeCallError(f"The likeness kernel refused the call: {_ERRORS[status]}.")
    return found
