"""Multi-layer perceptrons, and the concatenation that lets one request meet many candidates."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Sequential):
    """Linear → ReLU → dropout per hidden layer, then a linear output if one is asked for.

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


def join(*parts: Float[Tensor, "#B _"]) -> Float[Tensor, "B D"]:
    """Return the vectors side by side; one row among several is repeated for all of them."""
    rows = max((part.shape[0] for part in parts), key=lambda size: (size != 1, size))
    return torch.cat([part.expand(rows, -1) for part in parts], dim=-1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
