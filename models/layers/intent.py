"""DAIAN's intent modules: estimation (UIM, Eq. 2–5), implicit (Eq. 6–8) and explicit (Eq. 9–10)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import MultiHeadSelfAttention, MultiHeadTargetAttention
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.mlp import MLP


def newest(
    sequence: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"], limit: int
) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]:
    """Return the newest real positions of each row, newest first, at most ``limit`` of them."""
    position = torch.where(mask, torch.arange(mask.shape[1], device=mask.device), -1)
    longest = min(limit, int(mask.sum(-1).max())) if mask.numel() else 0
    kept = torch.topk(position, longest, dim=-1).values  # B S
    index = kept.clamp_min(0)[..., None].expand(-1, -1, sequence.shape[-1])
    return torch.gather(sequence, 1, index), kept >= 0


class IntentEstimator(nn.Module):
    """UIM: softmax of an MLP on user, pooled history and trigger (Eq. 4–5), with its own tables.

    Args:
        catalogue: The id spaces.
        dim: Width of one id or field embedding.
        hidden: Hidden layers of the MLP.
        levels: Number n of similarity levels.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, catalogue: Catalogue, dim: int, hidden: Sequence[int], levels: int, dropout: float
    ) -> None:
        super().__init__()
        self.items = ItemEmbedding(catalogue, dim)
        self.user = UserEmbedding(catalogue, dim)
        width = self.user.width + 2 * self.items.width
        self.mlp = MLP(width, hidden, levels, dropout)

    def forward(self, batch: Batch) -> Float[Tensor, "B n"]:
        """Return log E_int of each impression's request."""
        history = self.items.mean(batch.history, batch.history_mask)
        inputs = [self.user(batch), history, self.items(batch.trigger_item)]
        return torch.log_softmax(self.mlp(torch.cat(inputs, dim=-1)), dim=-1)


class ImplicitIntent(nn.Module):
    """I2E: the intent and the trigger ask the whole history what else is wanted (Eq. 6–8).

    Args:
        item_width: Width of an item embedding.
        levels: Width of the intent distribution; 0 leaves the trigger alone to ask.
        width: Width of the result, over all heads.
        heads: Number of heads.
    """

    def __init__(self, item_width: int, levels: int, width: int, heads: int) -> None:
        super().__init__()
        self.mlp = MLP(levels + item_width, (width,), width)
        self.attention = MultiHeadTargetAttention(width, item_width, width, heads)

    def forward(
        self,
        intent: Float[Tensor, "B n"],
        trigger: Float[Tensor, "B D"],
        history: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B E"]:
        """Return E_imp."""
        asked = self.mlp(torch.cat([intent, trigger], dim=-1))  # Eq. 6
        return self.attention(asked, history, mask)


class ExplicitIntent(nn.Module):
    """What the behaviours alike to the trigger say about the target (Eq. 9–10).

    Args:
        item_width: Width of an item embedding.
        width: Width of the result, over all heads.
        heads: Number of heads.
        limit: Behaviours of the subsequence at most, the newest ones.
    """

    def __init__(self, item_width: int, width: int, heads: int, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.self_attention = MultiHeadSelfAttention(item_width, width, heads)
        self.attention = MultiHeadTargetAttention(item_width, item_width, width, heads)

    def relate(
        self, history: Float[Tensor, "B L D"], alike: Bool[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B S"]]:
        """Return the attended subsequence and its mask (Eq. 9), which no target changes."""
        subsequence, mask = newest(history, alike, self.limit)
        return self.self_attention(subsequence, mask), mask

    def forward(
        self,
        target: Float[Tensor, "#B D"],
        subsequence: Float[Tensor, "#B S D"],
        mask: Bool[Tensor, "#B S"],
    ) -> Float[Tensor, "B E"]:
        """Return E_exp (Eq. 10)."""
        return self.attention(target, subsequence, mask)


class DiverseIntent(nn.Module):
    """DIE (4.2): implicit intent exploration and explicit intent exploitation side by side.

    Args:
        item_width: Width of an item embedding.
        levels: Width of the intent distribution; 0 without UIM.
        width: Width of each result, over all heads.
        heads: Number of heads.
        limit: Behaviours of the explicit subsequence at most.
    """

    def __init__(self, item_width: int, levels: int, width: int, heads: int, *, limit: int) -> None:
        super().__init__()
        self.implicit = ImplicitIntent(item_width, levels, width, heads)
        self.explicit = ExplicitIntent(item_width, width, heads, limit)

    def forward(
        self,
        intent: Float[Tensor, "B n"],
        trigger: Float[Tensor, "B D"],
        target: Float[Tensor, "T D"],
        history: Float[Tensor, "B L D"],
        *,
        mask: Bool[Tensor, "B L"],
        alike: Bool[Tensor, "B L"],
    ) -> tuple[Float[Tensor, "B E"], Float[Tensor, "T E"]]:
        """Return E_imp, one per request, and E_exp, one per target."""
        implicit = self.implicit(intent, trigger, history, mask)
        subsequence, kept = self.explicit.relate(history, alike & mask)
        return implicit, self.explicit(target, subsequence, kept)
