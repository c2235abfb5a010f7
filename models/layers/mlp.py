"""Multi-layer perceptrons, and the concatenation that lets one request meet many candidates."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.layers.lookup import take_rows
from models.layers.shares import in_shares

_CACHED_FLOATS = 1_280_000
"""What the activations of a block of rows hold: they stay in the cache of a thread."""


class MLP(nn.Sequential):
    """Linear → ReLU → dropout per hidden layer, then a linear output if one is asked for.

    On a CPU each thread runs all layers on its share of the rows, one block of rows after the
    other, forward and backward, so that what one layer writes the next one reads from cache.
    Without gradients nothing but the last layer's output outlives a block.

    Args:
        inputs: Input width.
        hidden: Widths of the hidden layers.
        output: Width of the linear output; ``None`` ends with the last hidden layer.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], output: int | None = None, dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [_linear(inputs, width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            inputs = width
        if output is not None:
            layers.append(_linear(inputs, output))
        super().__init__(*layers)
        self.width = inputs if output is None else output
        self._ends_linear = output is not None
        self._drops = dropout > 0

    def forward(self, input: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        """Return the last layer's output."""
        if self._runs_plainly(input):
            return super().forward(input)
        weights, biases = self._parameters_of_layers()
        rows = input.reshape(-1, input.shape[-1])
        if torch.is_grad_enabled():
            parameters = [one for pair in zip(weights, biases, strict=True) for one in pair]
            result: Tensor = _BlockedMLP.apply(rows, self._ends_linear, *parameters)  # pyright: ignore
        else:
            result = _unrecorded([rows], weights, biases, self._ends_linear)
        return result.view(*input.shape[:-1], self.width)

    def of_parts(
        self, *parts: "Tensor | Difference", starts: Int[Tensor, " G1"] | None = None
    ) -> Float[Tensor, "B O"]:
        """Return the output for vectors side by side, some of which are of whole groups of rows.

        Without gradients, the first layer multiplies these once a group and not once a row, and
        no difference is ever made.

        Args:
            parts: ``[B, …]`` one vector a row, or ``[G, …]`` one a group; without groups,
                ``[1, …]`` is one for all.
            starts: Where the rows of each group start, and the end of the last one, if there are
                fewer groups than rows.
        """
        if starts is None:
            return self(join(*map(_made, parts)))
        group = torch.repeat_interleave(starts.diff())

        def each(part: Tensor) -> Tensor:
            return take_rows(part, group) if len(part) < len(group) else part

        (first, *weights), (bias, *biases) = self._parameters_of_layers()
        factors = _factors(parts, first)
        own = [(part, weight) for part, weight in factors if len(part) == len(group)]
        shared = [(part, weight) for part, weight in factors if len(part) < len(group)]
        if torch.is_grad_enabled() or not own or not shared or self._runs_plainly(own[0][0]):
            return self(join(*(_made(part, each) for part in parts)))
        rows, once = ([part for part, _ in some] for some in (own, shared))
        of_rows, of_once = (torch.cat([w for _, w in some], dim=1) for some in (own, shared))
        biases = [F.linear(torch.cat(once, dim=1), of_once, bias), *biases]
        return _unrecorded(rows, [of_rows, *weights], biases, self._ends_linear, group)

    def _runs_plainly(self, input: Tensor) -> bool:
        kind = input.device.type
        if kind != "cpu" or torch.is_autocast_enabled(kind) or torch.compiler.is_compiling():
            return True
        return self._drops and self.training

    def _parameters_of_layers(self) -> tuple[list[Tensor], list[Tensor]]:
        layers = [layer for layer in self if isinstance(layer, nn.Linear)]
        return [layer.weight for layer in layers], [layer.bias for layer in layers]


class Difference(NamedTuple):
    """A part of what an `MLP` reads: ``left - right``, whose rows may be of groups."""

    left: Tensor
    right: Tensor


def _made(
    part: Tensor | Difference, each: Callable[[Tensor], Tensor] = lambda rows: rows
) -> Tensor:
    return each(part.left) - each(part.right) if isinstance(part, Difference) else each(part)


def _factors(
    parts: Sequence[Tensor | Difference], weight: Float[Tensor, "O I"]
) -> list[tuple[Tensor, Tensor]]:
    """Return every part with the columns that multiply it; those of a difference are its sides'."""
    tensors = [part.left if isinstance(part, Difference) else part for part in parts]
    found = dict[int, tuple[Tensor, Tensor]]()

    def add(part: Tensor, columns: Tensor) -> None:
        before = found.get(id(part))
        found[id(part)] = part, columns if before is None else before[1] + columns

    columns = weight.split([tensor.shape[1] for tensor in tensors], dim=1)
    for part, tensor, own in zip(parts, tensors, columns, strict=True):
        add(tensor, own)
        if isinstance(part, Difference):
            add(part.right, -own)
    return list(found.values())


def _unrecorded(
    parts: Sequence[Float[Tensor, "B _"]],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    ends_linear: bool,
    group: Int[Tensor, " B"] | None = None,
) -> Float[Tensor, "B O"]:
    """Return the output of the layers, without gradients.

    Args:
        parts: Input of the first layer, side by side.
        weights: Of each layer.
        biases: Of each layer; the first one's, one a group, if there are groups.
        ends_linear: Whether no ReLU follows the last layer.
        group: Of each row.
    """
    rows, widths = len(parts[0]), [weight.shape[1] for weight in weights]
    result = parts[0].new_empty(rows, weights[-1].shape[0])

    def work(share: slice) -> None:
        blocks = _blocks(share, weights, _CACHED_FLOATS // 2)  # the parts are in the cache too
        most = blocks[0].stop - blocks[0].start
        inputs, *rooms = (result.new_empty(most, width) for width in widths)
        for block in blocks:
            size = block.stop - block.start
            outputs = [*(room[:size] for room in rooms), result[block]]
            first = biases[0]
            if group is not None:
                first = torch.index_select(first, 0, group[block], out=outputs[0])
            some = [part[block] for part in parts]
            value = some[0] if len(some) == 1 else torch.cat(some, dim=1, out=inputs[:size])
            _through(value, weights, (first, *biases[1:]), outputs, ends_linear)

    in_shares(work, rows, _row_work(weights))
    return result


def _through(
    value: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    outputs: Sequence[Tensor],
    ends_linear: bool,
) -> None:
    """Write what each layer gives for a block of rows."""
    for weight, bias, output in zip(weights, biases, outputs, strict=True):
        value = torch.addmm(bias, value, weight.t(), out=output)
        if output is not outputs[-1] or not ends_linear:
            value.relu_()


class _BlockedMLP(torch.autograd.Function):
    """The layers of an `MLP`, rows in shares and blocks; saves the output of every hidden layer."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, rows: Tensor, ends_linear: bool, *parameters: Tensor
    ) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        outputs = [rows.new_empty(rows.shape[0], weight.shape[0]) for weight in weights]

        def work(share: slice) -> None:
            for block in _blocks(share, weights):
                found = [output[block] for output in outputs]
                _through(rows[block], weights, biases, found, ends_linear)

        in_shares(work, len(rows), _row_work(weights))
        ctx.save_for_backward(rows, *outputs, *weights)
        ctx.ends_linear = ends_linear
        return outputs[-1]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        count = len(saved) // 2
        values, weights = saved[: count + 1], saved[count + 1 :]  # input and output of each layer
        of_rows = torch.empty_like(values[0])

        def work(share: slice) -> list[Tensor]:
            blocks = _blocks(share, weights)
            sums = _Gradients(weights, blocks[0].stop - blocks[0].start, ctx.ends_linear)
            for block in blocks:
                sums.add(gradients[0][block], [value[block] for value in values], of_rows[block])
            return sums.of_parameters

        total, *others = in_shares(work, len(of_rows), 2 * _row_work(weights))
        for share in others:
            for whole, part in zip(total, share, strict=True):
                whole += part
        return of_rows, None, *total


class _Gradients:
    """The gradients that a share of the rows gives, block by block.

    Args:
        weights: Of each layer.
        rows: Rows of a block at most.
        ends_linear: Whether no ReLU follows the last layer.
    """

    def __init__(self, weights: Sequence[Tensor], rows: int, ends_linear: bool) -> None:
        self._weights, self._ends_linear = weights, ends_linear
        self._rooms = [one.new_empty(rows, one.shape[1]) for one in weights[1:]]
        self._ones = weights[0].new_ones(rows)
        self._kept = 0.0  # of what the sums hold: nothing before the first block
        self.of_parameters = [
            room for one in weights for room in (torch.empty_like(one), one.new_empty(len(one)))
        ]

    def add(self, gradient: Tensor, values: Sequence[Tensor], of_rows: Tensor) -> None:
        """Add what a block gives, and write the gradient of its rows.

        Args:
            gradient: Of the last layer's output.
            values: Input of the first layer, and output of each.
            of_rows: Where the gradient of the rows is written.
        """
        count, size = len(self._weights), len(gradient)
        for layer in reversed(range(count)):
            if layer + 1 < count or not self._ends_linear:
                room = gradient if layer + 1 < count else torch.empty_like(gradient)
                gradient = torch.ops.aten.threshold_backward.grad_input(
                    gradient, values[layer + 1], 0, grad_input=room
                )
            of_weight, of_bias = self.of_parameters[2 * layer : 2 * layer + 2]
            of_weight.addmm_(gradient.t(), values[layer], beta=self._kept)
            of_bias.addmv_(gradient.t(), self._ones[:size], beta=self._kept)
            room = self._rooms[layer - 1][:size] if layer else of_rows
            gradient = torch.mm(gradient, self._weights[layer], out=room)
        self._kept = 1.0


def join(*parts: Float[Tensor, "#B _"]) -> Float[Tensor, "B D"]:
    """Return the vectors side by side; one row among several is repeated for all of them."""
    rows = max((part.shape[0] for part in parts), key=lambda size: (size != 1, size))
    return torch.cat([part.expand(rows, -1) for part in parts], dim=-1)


def _row_work(weights: Sequence[Tensor]) -> int:
    return sum(weight.numel() for weight in weights)


def _blocks(share: slice, weights: Sequence[Tensor], floats: int | None = None) -> list[slice]:
    """Return a share's rows in blocks of about equal size, whose activations fit the cache."""
    floats = _CACHED_FLOATS if floats is None else floats
    width = weights[0].shape[1] + sum(weight.shape[0] for weight in weights)
    rows, most = share.stop - share.start, max(1, floats // width)
    size = max(1, -(-rows // max(1, -(-rows // most))))
    starts = range(share.start, max(share.stop, share.start + 1), size)  # no rows are one block
    return [slice(start, min(start + size, share.stop)) for start in starts]


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
