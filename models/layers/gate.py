"""Gates that scale a representation: PEPNet's Gate NU, DAIAN's shifting unit, POSO's layers."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.layers.mlp import MLP


class GateNU(nn.Module):
    """PEPNet's gate neural unit: 2·sigmoid of a two-layer network, so each factor is in (0, 2).

    Args:
        inputs: Input width.
        hidden: Hidden units.
        outputs: Width of what is scaled.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.network = MLP(inputs, (hidden,), outputs)

    def forward(self, inputs: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Return the factors."""
        found = self.network(inputs)
        return 2.0 * torch.sigmoid(found) if found.requires_grad else found.sigmoid_().mul_(2.0)


class ShiftingUnit(nn.Module):
    """Shifting unit SU (DAIAN Eq. 15–16): an MLP, then a Gate NU.

    Args:
        similarity: Width of the enhanced similarity.
        intent: Width of the intent representation, and of the factors.
        hidden: Hidden units of the MLP and of the gate.
    """

    def __init__(self, similarity: int, intent: int, hidden: int) -> None:
        super().__init__()
        self.mlp = MLP(similarity + intent, (hidden,))
        self.gate = GateNU(hidden, hidden, intent)

    def forward(
        self,
        similarity: Float[Tensor, "_ S"],
        intent: Float[Tensor, "_ E"],
        starts: Int[Tensor, " R1"] | None = None,
    ) -> Float[Tensor, "B E"]:
        """Return δ; no gradient reaches ``intent`` through it. ``starts`` as in `MLP.of_parts`."""
        return self.gate(self.mlp.of_parts(similarity, intent.detach(), starts=starts))


class GatedMLP(nn.Module):
    """POSO of an MLP: each hidden layer is C · g(code) ⊙ relu(W x + b), with C = 2; then linear.

    Args:
        inputs: Input width.
        hidden: Widths of the hidden layers.
        code: Width of the personalisation code.
        gate_hidden: Hidden units of each gate.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], code: int, gate_hidden: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [inputs, *hidden]
        self.layers = nn.ModuleList(
            MLP(width, (following,), dropout=dropout) for width, following in pairwise(widths)
        )
        self.gates = nn.ModuleList(GateNU(code, gate_hidden, width) for width in hidden)
        self.output = MLP(widths[-1], (), output=1)

    def forward(
        self, inputs: Float[Tensor, "B I"], code: Float[Tensor, "B P"]
    ) -> Float[Tensor, "B 1"]:
        """Return one logit a row."""
        value = inputs
        for layer, gate in zip(self.layers, self.gates, strict=True):
            value = gate(code) * layer(value)
        return self.output(value)
