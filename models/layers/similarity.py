"""DAIAN's similarity-enhanced intent network, SEIN (4.3, Eq. 11–18)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.layers.gate import ShiftingUnit
from models.layers.lookup import take_rows
from models.layers.mlp import MLP

SMALLEST_NORM = 1e-12


def fuse_by_norm(
    semantic: Float[Tensor, "B S"], collaborative: Float[Tensor, "B S"]
) -> Float[Tensor, "B S"]:
    """Return U_enh_sim = δ·U_sim + (1-δ)·⊙(U_co_id) with δ the norm ratio (Eq. 13–14).

    The stop ⊙ stands where Eq. 13 has it: the second term passes no gradient to the projection,
    the norm inside δ does, and is all the projection learns from.
    """
    semantic_norm = torch.linalg.vector_norm(semantic, dim=-1, keepdim=True)
    collaborative_norm = torch.linalg.vector_norm(collaborative, dim=-1, keepdim=True)
    total = (semantic_norm + collaborative_norm).clamp_min(SMALLEST_NORM)
    delta = semantic_norm / total
    return delta * semantic + (1.0 - delta) * collaborative.detach()


class HybridEnhancer(nn.Module):
    """Joins what ids and what content say about the likeness of target and trigger.

    Args:
        item_width: Width of an item embedding.
        levels: Number n of similarity levels.
        width: Width of the result.
        hidden: Hidden units of the projection.
    """

    def __init__(self, item_width: int, levels: int, width: int, hidden: int) -> None:
        super().__init__()
        self.project = MLP(2 * item_width, (hidden,), width)
        self.levels = nn.Embedding(levels + 1, width)
        nn.init.normal_(self.levels.weight, std=width**-0.5)

    def forward(
        self,
        target: Float[Tensor, "_ D"],
        trigger: Float[Tensor, "_ D"],
        level: Int[Tensor, " B"],
        starts: Int[Tensor, " R1"] | None = None,
    ) -> Float[Tensor, "B S"]:
        """Return U_enh_sim.

        Args:
            target: Target item embedding.
            trigger: Trigger item embedding.
            level: Level of their content's cosine (Eq. 12, binned); -1 where it is not known.
            starts: Where the targets of each trigger start, as in `MLP.of_parts`.
        """
        collaborative = self.project.of_parts(target, trigger, starts=starts)  # Eq. 11
        return fuse_by_norm(self.levels(level + 1), collaborative)


class AdaptiveShift(nn.Module):
    """IA2N's shifts: each intent scaled by how similarity and intent agree (Eq. 15–18).

    Args:
        similarity: Width of U_enh_sim.
        intent: Width of E_imp and of E_exp.
        hidden: Hidden units of the shifting units.
    """

    def __init__(self, similarity: int, intent: int, hidden: int) -> None:
        super().__init__()
        self.explicit = ShiftingUnit(similarity, intent, hidden)
        self.implicit = ShiftingUnit(similarity, intent, hidden)

    def forward(
        self,
        similarity: Float[Tensor, "B S"],
        implicit: Float[Tensor, "_ E"],
        explicit: Float[Tensor, "#B E"],
        starts: Int[Tensor, " R1"] | None = None,
    ) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B E"]]:
        """Return E_imp^sim and E_exp^sim; ``starts`` as in `MLP.of_parts`, for E_imp."""
        factors = self.implicit(similarity, implicit, starts)
        if starts is not None:
            implicit = take_rows(implicit, torch.repeat_interleave(starts.diff()))
        return _product(factors, implicit), _product(self.explicit(similarity, explicit), explicit)


def _product(factors: Float[Tensor, "B E"], intent: Float[Tensor, "#B E"]) -> Float[Tensor, "B E"]:
    """Return both multiplied, in the place of ``factors`` where no gradient asks for them."""
    recorded = factors.requires_grad or intent.requires_grad
    return factors * intent if recorded else factors.mul_(intent)
