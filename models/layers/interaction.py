"""Feature interactions: cross networks (DCN V2), the factorization machine (DeepFM)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class CrossNetwork(nn.Module):
    """Cross layers with a full matrix: ``x' = x0 ∘ (W x + b) + x`` (DCN V2 Eq. 1).

    Args:
        width: Width of the input, kept by every layer.
        layers: Number of layers; ``n`` of them reach interactions of degree ``n + 1``.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_linear(width, width) for _ in range(layers))

    def forward(self, inputs: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the crossed features."""
        crossed = inputs
        for layer in self.layers:
            crossed = torch.addcmul(crossed, inputs, layer(crossed))
        return crossed


class LowRankCross(nn.Module):
    """One cross layer as a gated mixture of low-rank experts (DCN V2, "DCN-Mix").

    ``E_i(x) = x0 ∘ (U_i · g(C_i · g(V_i^T x)) + b)`` with g = tanh, and
    ``x' = Σ G_i(x) E_i(x) + x`` with the gates G softmax of a linear map. All
    experts are three matrix products together.

    Args:
        width: Width of the input, kept.
        rank: Rank of an expert.
        experts: Number of experts.
    """

    def __init__(self, width: int, rank: int, experts: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, experts * rank, bias=False)  # V, all experts below another
        self.inner = nn.Parameter(torch.empty(experts, rank, rank))  # C
        self.up = nn.Linear(experts * rank, width, bias=False)  # U, side by side
        self.bias = nn.Parameter(torch.zeros(width))
        self.gate = nn.Linear(width, experts, bias=False)
        for weight in (self.down.weight, self.up.weight, *self.inner.detach()):
            nn.init.xavier_normal_(weight)

    def forward(
        self, first: Float[Tensor, "B D"], inputs: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B D"]:
        """Return the crossed features.

        Args:
            first: ``x0``, what the first layer was given.
            inputs: ``x``, what the layer before gave.
        """
        gates = torch.softmax(self.gate(inputs), dim=-1)  # B E
        low = torch.tanh(self.down(inputs)).unflatten(-1, self.inner.shape[:2])  # B E r
        low = torch.tanh(torch.einsum("ber,esr->bes", low, self.inner))
        # Gates add up to one, so the bias, which every expert has, comes through as it is.
        mixed = self.up((gates[..., None] * low).flatten(1)) + self.bias
        return torch.addcmul(inputs, first, mixed)


class LowRankCrossNetwork(nn.Module):
    """Cross layers of low-rank experts: `LowRankCross` as often as asked.

    Args:
        width: Width of the input, kept by every layer.
        layers: Number of layers.
        rank: Rank of an expert.
        experts: Experts of a layer.
    """

    def __init__(self, width: int, layers: int, rank: int, experts: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LowRankCross(width, rank, experts) for _ in range(layers))

    def forward(self, inputs: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the crossed features."""
        crossed = inputs
        for layer in self.layers:
            crossed = layer(inputs, crossed)
        return crossed


def pairwise_products(fields: Float[Tensor, "B F D"]) -> Float[Tensor, " B"]:
    """Return ``Σ_{i<j} ⟨v_i, v_j⟩``, the factorization machine's second order (DeepFM Eq. 2).

    Computed as ``½ (|Σ v|² - Σ |v|²)``: in F steps, not F².
    """
    total = fields.sum(1)
    return 0.5 * (total.square().sum(-1) - fields.square().sum((1, 2)))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
