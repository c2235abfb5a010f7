"""Multi-layer perceptrons, and the concatenation that lets one request meet many candidates."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_CACHED_FLOATS = 1_280_000
"""What a thread's share of a block's activations holds: in cache, and worth waking threads for."""


class MLP(nn.Sequential):
    """Linear → ReLU → dropout per hidden layer, then a linear output if one is asked for.

    On a CPU all layers are run on one block of rows after the other, forward and backward, so that
    what one layer writes the next one reads from cache.

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
        kind = input.device.type
        plain = kind != "cpu" or torch.is_autocast_enabled(kind) or torch.compiler.is_compiling()
        if plain or (self._drops and self.training):
            return super().forward(input)
        layers = [layer for layer in self if isinstance(layer, nn.Linear)]
        parameters = [one for layer in layers for one in (layer.weight, layer.bias)]
        rows = input.reshape(-1, input.shape[-1])
        result: Tensor = _BlockedMLP.apply(rows, self._ends_linear, *parameters)  # pyright: ignore
        return result.view(*input.shape[:-1], self.width)


class _BlockedMLP(torch.autograd.Function):
    """The layers of an `MLP`, rows in blocks; saves the output of every hidden layer."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, rows: Tensor, ends_linear: bool, *parameters: Tensor
    ) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        outputs = [rows.new_empty(rows.shape[0], weight.shape[0]) for weight in weights]
        for block in _blocks(rows, weights):
            value = rows[block]
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                value = torch.addmm(bias, value, weight.t(), out=outputs[layer][block])
                if layer + 1 < len(weights) or not ends_linear:
                    value.relu_()
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
        of_weights = [torch.zeros_like(weight) for weight in weights]
        of_biases = [weight.new_zeros(weight.shape[0]) for weight in weights]
        of_rows = torch.empty_like(values[0])
        blocks = _blocks(values[0], weights)
        rooms = [of_rows.new_empty(blocks[0].stop, one.shape[1]) for one in weights[1:]]
        ones = of_rows.new_ones(blocks[0].stop)
        for block in blocks:
            gradient = gradients[0][block]
            for layer in reversed(range(count)):
                if layer + 1 < count or not ctx.ends_linear:
                    room = (
                        rooms[layer][: len(gradient)]
                        if layer + 1 < count
                        else torch.empty_like(gradient)
                    )
                    gradient = torch.ops.aten.threshold_backward.grad_input(
                        gradient, values[layer + 1][block], 0, grad_input=room
                    )
                of_weights[layer].addmm_(gradient.t(), values[layer][block])
                of_biases[layer].addmv_(gradient.t(), ones[: len(gradient)])
                room = rooms[layer - 1][: len(gradient)] if layer else of_rows[block]
                gradient = torch.mm(gradient, weights[layer], out=room)
        both = (one for pair in zip(of_weights, of_biases, strict=True) for one in pair)
        return of_rows, None, *both


def join(*parts: Float[Tensor, "#B _"]) -> Float[Tensor, "B D"]:
    """Return the vectors side by side; one row among several is repeated for all of them."""
    rows = max((part.shape[0] for part in parts), key=lambda size: (size != 1, size))
    return torch.cat([part.expand(rows, -1) for part in parts], dim=-1)


def _blocks(rows: Tensor, weights: Sequence[Tensor]) -> list[slice]:
    """Return blocks of rows whose activations fit the cache of the threads there are."""
    width = rows.shape[1] + sum(weight.shape[0] for weight in weights)
    size = max(1, _CACHED_FLOATS * torch.get_num_threads() // width)
    count = max(1, -(-rows.shape[0] // size))
    size = max(1, -(-rows.shape[0] // count))  # of about equal size
    return [slice(start, start + size) for start in range(0, rows.shape[0], size)]


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
