"""Multi-head attention on jagged sequences in one native pass, forward and backward.

What is computed stands in ``source/head_attention.h``; `models.layers.attention` has the same in
torch, and says where each is used. Tensors are float32 on the CPU, widths of one head multiples
of 16.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.native.library import (
    INSTRUCTIONS,
    NativeCallError,
    available,
    chosen_instructions,
    library,
)

LANES = 16
GROUP = 4  # heads whose weights are kept side by side
_ERRORS = {
    1: "an index or a row's range points outside its table",
    3: "there is not enough memory",
    4: "this processor lacks the instruction set",
}


class _HeadCall(ctypes.Structure):
    """Mirrors ``HeadCall`` in head_attention.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "heads", "key_dim", "value_dim")),
        *((name, ctypes.c_int64) for name in ("key_step", "value_step", "query_rows", "key_rows")),
        *((name, ctypes.c_int64) for name in ("queries", "keys", "threads", "instructions")),
        *((name, ctypes.c_int64) for name in ("query_row", "query_head")),
        *((name, ctypes.c_int64) for name in ("output_row", "output_head")),
        *((name, ctypes.c_void_p) for name in ("query", "key", "value")),
        *((name, ctypes.c_void_p) for name in ("query_index", "key_index")),
        *((name, ctypes.c_void_p) for name in ("query_offsets", "key_offsets")),
        *((name, ctypes.c_void_p) for name in ("output", "weights")),
        ("scale", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("grad_query", "grad_key", "grad_value")),
        ("grad_output", ctypes.c_void_p),
    ]


LAYOUT = 1000 * ctypes.sizeof(_HeadCall) + 2


@dataclass(frozen=True, slots=True)
class Spans:
    """Which queries meet which keys.

    Attributes:
        queries: Row ``r`` has the queries ``queries[r]`` … ``queries[r + 1]`` - 1.
        keys: And the keys ``keys[r]`` … ``keys[r + 1]`` - 1.
        query_index: Row of the table each query is; ``None`` for the rows as they come.
        key_index: Row of the table each key and value is, likewise.
    """

    queries: Int64[Tensor, " R1"]
    keys: Int64[Tensor, " R1"]
    query_index: Int64[Tensor, " Q"] | None = None
    key_index: Int64[Tensor, " K"] | None = None

    def contiguous(self) -> "Spans":
        """Return the same as int64 without gaps, as the kernels read it."""
        index = [None if one is None else _whole(one) for one in (self.query_index, self.key_index)]
        return Spans(_whole(self.queries), _whole(self.keys), *index)


class Heads(NamedTuple):
    """How rows of the tables are cut into heads.

    Attributes:
        number: Number of heads.
        shared: Whether all heads read the whole key and value; otherwise each its own part.
        scale: Factor on the scores, above zero.
    """

    number: int
    shared: bool
    scale: float


def takes(*tensors: Tensor, widths: tuple[int, ...]) -> bool:
    """Return whether the kernels are there and take such tensors and widths of a head."""
    return (
        all(width % LANES == 0 for width in widths)
        and all(one.device.type == "cpu" and one.dtype == torch.float32 for one in tensors)
        and not (torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"))
        and available()
        and _has_heads()
    )


def head_attention(
    query: Float32[Tensor, "*heads Nq HE"],
    key: Float32[Tensor, "Nk _"],
    value: Float32[Tensor, "Nk _"],
    spans: Spans,
    heads: Heads,
) -> Float32[Tensor, "*heads Q HV"]:
    """Return each query's weighted values, laid out as the queries are; differentiable.

    Args:
        query: Table of the queries: head beside head, or ``[heads, queries, width]``.
        key: Table of the keys: head beside head, or one key that all heads share.
        value: Table of the values, likewise.
        spans: Which queries meet which keys.
        heads: How many heads, what they share, and the factor on the scores.

    Raises:
        NativeCallError: the shapes do not fit, or an index or an offset points outside.
    """
    spans = spans.contiguous()
    tables = [one.contiguous() for one in (query, key, value)]
    if torch.is_grad_enabled() and any(one.requires_grad for one in tables):
        return _HeadAttention.apply(spans, heads, *tables)  # pyright: ignore
    return _forward(spans, heads, tables, None)


class _HeadAttention(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, spans: Spans, heads: Heads, *tables: Tensor
    ) -> Tensor:
        pairs = int((spans.queries.diff() * spans.keys.diff()).sum())
        weights = tables[0].new_empty(pairs * -(-heads.number // GROUP) * GROUP)
        ctx.spans, ctx.heads = spans, heads
        ctx.save_for_backward(weights, *tables)
        return _forward(spans, heads, list(tables), weights)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        weights, *tables = ctx.saved_tensors
        call = _call(ctx.spans, ctx.heads, tables)
        found = [torch.zeros_like(table) for table in tables]
        outer = gradients[0].contiguous()
        call.weights, call.grad_output = weights.data_ptr(), outer.data_ptr()
        for name, one in zip(("query", "key", "value"), found, strict=True):
            setattr(call, f"grad_{name}", one.data_ptr())
        _checked(library().intentflow_head_backward(ctypes.byref(call)))
        return None, None, *found


def _forward(spans: Spans, heads: Heads, tables: list[Tensor], weights: Tensor | None) -> Tensor:
    call = _call(spans, heads, tables)
    beside, apart = (call.queries, heads.number * call.value_dim), (heads.number, call.queries)
    output = tables[0].new_empty(beside if tables[0].ndim == 2 else (*apart, call.value_dim))
    call.output = output.data_ptr()
    call.weights = None if weights is None else weights.data_ptr()
    _checked(library().intentflow_head_forward(ctypes.byref(call)))
    return output


def _call(spans: Spans, heads: Heads, tables: list[Tensor]) -> _HeadCall:
    """Return a call whose pointers live as long as what is given."""
    query, key, value = tables
    parts = 1 if heads.shared else heads.number
    call = _HeadCall(
        rows=len(spans.keys) - 1,
        heads=heads.number,
        key_dim=key.shape[1] // parts,
        value_dim=value.shape[1] // parts,
        query_rows=query.shape[-2],
        key_rows=len(key),
        threads=torch.get_num_threads(),
        instructions=INSTRUCTIONS.index(chosen_instructions()),
        scale=heads.scale,
    )
    lanes = (call.key_dim | call.value_dim) % LANES or heads.scale <= 0.0
    shape = query.shape[:-2] + query.shape[-1:]
    whole = (heads.number, call.key_dim) if query.ndim == 3 else (heads.number * call.key_dim,)
    fits = tuple(shape) == whole and len(value) == len(key)
    if not fits or len(spans.queries) != len(spans.keys) or lanes:
        shapes = ", ".join(str(tuple(table.shape)) for table in tables)
        raise NativeCallError(f"Tables {shapes} do not fit {heads}, or the offsets each other.")
    if not heads.shared:
        call.key_step, call.value_step = call.key_dim, call.value_dim
    for name, table in zip(("query", "key", "value"), tables, strict=True):
        setattr(call, name, table.data_ptr())
    call.queries, call.keys = call.query_rows, call.key_rows
    if spans.query_index is not None:
        call.query_index, call.queries = spans.query_index.data_ptr(), len(spans.query_index)
    if spans.key_index is not None:
        call.key_index, call.keys = spans.key_index.data_ptr(), len(spans.key_index)
    call.query_offsets, call.key_offsets = spans.queries.data_ptr(), spans.keys.data_ptr()
    _lay_out(call, apart=query.ndim == 3)
    return call


def _lay_out(call: _HeadCall, *, apart: bool) -> None:
    """Set the strides of queries and output, whose heads lie apart or side by side."""
    heads, key, value = call.heads, call.key_dim, call.value_dim
    call.query_row, call.query_head = (key, call.query_rows * key) if apart else (heads * key, key)
    whole = (value, call.queries * value)
    call.output_row, call.output_head = whole if apart else (heads * value, value)


def _has_heads() -> bool:
    found = library()
    return hasattr(found, "intentflow_head_layout") and found.intentflow_head_layout() == LAYOUT


def _checked(status: int) -> None:
    if status:
        raise NativeCallError(f"The head attention kernel refused the call: {_ERRORS[status]}.")


def _whole(index: Tensor) -> Tensor:
    return index.to(torch.int64).contiguous()
