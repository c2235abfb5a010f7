"""DIN's target attention in one native pass over jagged histories, forward and backward.

The twin of `models.layers.attention.target_attention`, which says what is computed; the sources in
``source/`` say how. Tensors are float32 on the CPU.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float32, Int, Int64, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.native.library import (
    INSTRUCTIONS,
    Call,
    NativeCallError,
    available,
    chosen_instructions,
    library,
)

Normalisation = Literal["none", "sigmoid", "softmax"]
_NORMALISATIONS: tuple[Normalisation, ...] = ("none", "sigmoid", "softmax")
_WEIGHTS = ("w_query", "b_query", "w_key", "w_product", "w_out", "b_out")
_ERRORS = {
    1: "an index or a row's range points outside its table",
    2: "rows overlap, which only keys with an index may",
    3: "there is not enough memory",
    4: "this processor lacks the instruction set",
}


class Weights(NamedTuple):
    """The activation unit a(q, k) = w_out · relu(W_q q + W_k k + W_p (q·k) + b) + b_out."""

    query: Float32[Tensor, "A D"]
    query_bias: Float32[Tensor, " A"]
    key: Float32[Tensor, "A D"]
    product: Float32[Tensor, "A D"]
    out: Float32[Tensor, " A"]
    out_bias: Float32[Tensor, " 1"]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of each row: ``table[index[begin[r]:end[r]]]``, or ``table[begin[r]:end[r]]``.

    Ranges may leave gaps, as padded histories do. With an index they may overlap.
    """

    table: Float32[Tensor, "N D"]
    index: Int[Tensor, " T"] | None
    begin: Int64[Tensor, " B"]
    end: Int64[Tensor, " B"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to compute: what turns scores into weights, and on what.

    Attributes:
        normalisation: As in `models.layers.attention.TargetAttention`.
        threads: Threads at most; ``None`` takes torch's number. The same number gives equal bits.
        instructions: The instruction set; ``None`` takes the widest there is.
    """

    normalisation: Normalisation = "none"
    threads: int | None = None
    instructions: str | None = None


class Saved(NamedTuple):
    """What the backward pass reads of each event; events in order of rows, without gaps."""

    weights: Float32[Tensor, " S"]
    active: UInt8[Tensor, "S bytes"]  # a bit per hidden unit: whether its ReLU lets through


class Gradients(NamedTuple):
    """Gradients of the query, the table of keys and the weights."""

    query: Float32[Tensor, "B D"]
    table: Float32[Tensor, "N D"]
    weights: Weights


def takes(*tensors: Tensor) -> bool:
    """Return whether the kernels are there and read such tensors."""
    return available() and all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors
    )


def target_attention(
    query: Float32[Tensor, "B D"],
    keys: Float32[Tensor, "N D"],
    offsets: Int[Tensor, " H1"],
    weights: tuple[Tensor, ...],
    index: Int[Tensor, " T"] | None = None,
    plan: Plan | None = None,
) -> Float32[Tensor, "B D"]:
    """Return each query's weighted sum of its keys, zeros where there is none; differentiable.

    Args:
        query: One row an impression.
        keys: The keys one after the other, or with ``index`` a table they are rows of.
        offsets: Query ``i`` asks the keys ``offsets[i]`` … ``offsets[i + 1]`` - 1. Two bounds alone
            are one history that every query asks.
        weights: As in `Weights`.
        index: Row of the table that each key is.
        plan: How to compute.

    Raises:
        NativeCallError: a tensor is not of the documented type and shape, or an offset or an index
            points outside.
    """
    rows, _ = _matrix("query", query)
    if offsets.shape not in ((2,), (rows + 1,)):
        raise NativeCallError(
            f"{tuple(offsets.shape)} offsets for {rows} rows, expected {rows + 1} or 2."
        )
    if index is None and offsets.shape[0] == 2 and rows > 1:  # rows overlap
        index = torch.arange(keys.shape[0], dtype=torch.int32)
    bounds = offsets.to(torch.int64)
    begin, end = (part.expand(rows).contiguous() for part in (bounds[:-1], bounds[1:]))
    ranges = (index if index is None else index.contiguous(), begin, end)
    inputs = [tensor.contiguous() for tensor in (query, keys, *weights)]
    plan = plan or Plan()
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        return _TargetAttention.apply(plan, ranges, *inputs)  # pyright: ignore
    return forward(inputs[0], Keys(inputs[1], *ranges), Weights(*inputs[2:]), plan, keep=False)[0]


def forward(
    query: Float32[Tensor, "B D"], keys: Keys, weights: Weights, plan: Plan, *, keep: bool
) -> tuple[Float32[Tensor, "B D"], Saved | None]:
    """Return the output, and what `backward` needs if it is to be kept.

    Raises:
        NativeCallError: a tensor is not of the documented type, shape and layout, or a range or an
            index points outside.
    """
    call = _call(query, keys, weights, plan)
    output = torch.empty_like(query)
    saved = None
    call.output = output.data_ptr()
    if keep:
        events = int((keys.end - keys.begin).sum().clamp_min(0))
        width = library().intentflow_active_bytes(call.hidden)
        saved = Saved(query.new_empty(events), torch.empty(events, width, dtype=torch.uint8))
        call.weights, call.active = saved.weights.data_ptr(), saved.active.data_ptr()
    _run("forward", call)
    return output, saved


def backward(
    grad_output: Float32[Tensor, "B D"],
    query: Float32[Tensor, "B D"],
    keys: Keys,
    weights: Weights,
    plan: Plan,
    saved: Saved,
) -> Gradients:
    """Return the gradients, given that of the output and what `forward` kept.

    Raises:
        NativeCallError: see `forward`.
    """
    call = _call(query, keys, weights, plan)
    _put(call, "grad_output", grad_output, tuple(query.shape))
    found = Gradients(
        torch.empty_like(query),
        torch.zeros_like(keys.table),
        Weights(*(torch.empty_like(tensor) for tensor in weights)),
    )
    events = int((keys.end - keys.begin).sum())
    _put(call, "weights", saved.weights, (events,))
    width = library().intentflow_active_bytes(call.hidden)
    _put(call, "active", saved.active, (events, width), torch.uint8)
    call.grad_query, call.grad_table = found.query.data_ptr(), found.table.data_ptr()
    for name, tensor in zip(_WEIGHTS, found.weights, strict=True):
        setattr(call, f"grad_{name}", tensor.data_ptr())
    _run("backward", call)
    return found


class _TargetAttention(torch.autograd.Function):
    """`forward` and `backward`, as autograd calls them."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, plan: Plan, ranges: Any, query: Tensor, table: Tensor, *weights: Tensor
    ) -> Tensor:
        output, saved = forward(query, Keys(table, *ranges), Weights(*weights), plan, keep=True)
        ctx.plan, ctx.ranges, ctx.saved = plan, ranges, saved
        ctx.save_for_backward(query, table, *weights)
        return output

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        query, table, *weights = ctx.saved_tensors
        keys, given = Keys(table, *ctx.ranges), gradients[0].contiguous()
        found = backward(given, query, keys, Weights(*weights), ctx.plan, ctx.saved)
        return None, None, found.query, found.table, *found.weights


def _call(query: Tensor, keys: Keys, weights: Weights, plan: Plan) -> Call:
    """Return the arguments, checked; they point into the tensors, which must outlive the call."""
    call = Call()
    (call.rows, call.dim), (call.table_rows, _) = (
        _matrix("query", query),
        _matrix("keys", keys.table),
    )
    call.hidden = _matrix("w_query", weights.query)[0]
    _put(call, "query", query, (call.rows, call.dim))
    _put(call, "table", keys.table, (call.table_rows, call.dim))
    _put(call, "begin", keys.begin, (call.rows,), torch.int64)
    _put(call, "end", keys.end, (call.rows,), torch.int64)
    matrix, vector = (call.hidden, call.dim), (call.hidden,)
    shapes = (matrix, vector, matrix, matrix, vector, (1,))
    for name, tensor, shape in zip(_WEIGHTS, weights, shapes, strict=True):
        _put(call, name, tensor, shape)
    call.events = call.table_rows
    if keys.index is not None:
        wide = torch.int64 if keys.index.dtype == torch.int64 else torch.int32
        _put(call, "index", keys.index, (keys.index.numel(),), wide)
        call.events, call.index_bytes = keys.index.numel(), wide.itemsize
    call.normalisation = _NORMALISATIONS.index(plan.normalisation)
    call.threads = plan.threads or torch.get_num_threads()
    call.instructions = INSTRUCTIONS.index(plan.instructions or chosen_instructions())
    return call


def _matrix(name: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim != 2 or 0 in tensor.shape[1:]:
        raise NativeCallError(f"{name} has the shape {tuple(tensor.shape)}, expected a matrix.")
    return tensor.shape[0], tensor.shape[1]


def _put(
    call: Call,
    name: str,
    tensor: Tensor,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Let the argument ``name`` point to the tensor, if it is what the kernel reads."""
    right = tensor.device.type == "cpu" and tensor.is_contiguous() and tensor.dtype == dtype
    if not right or tuple(tensor.shape) != shape:
        layout = "contiguous" if tensor.is_contiguous() else "strided"
        raise NativeCallError(
            f"{name} is {layout} {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}, "
            f"expected contiguous {dtype} {shape} on cpu."
        )
    setattr(call, name, tensor.data_ptr())


def _run(name: str, call: Call) -> None:
    status = library()[f"intentflow_target_attention_{name}"](ctypes.byref(call))
    if status:
        raise NativeCallError(f"Native target attention, {name}: {_ERRORS[status]}.")
