"""DAIAN's intent modules: estimation (UIM, Eq. 2–5), implicit (Eq. 6–8) and explicit (Eq. 9–10)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import MultiHeadSelfAttention, MultiHeadTargetAttention, padded
from models.layers.embedding import ItemEmbedding, ItemFields, UserEmbedding, UserFields
from models.layers.lookup import distinct, mean_rows, take_rows
from models.layers.mlp import MLP


class Sequences(NamedTuple):
    """Sequences without padding, as rows of a table.

    Attributes:
        table: One row a distinct item.
        offsets: Where each sequence starts in ``rows``, and the end of the last one.
        rows: Row of the table at each position.
    """

    table: Float[Tensor, "N D"]
    offsets: Int[Tensor, " B1"]
    rows: Int[Tensor, " E"]


class IntentEstimator(nn.Module):
    """UIM: softmax of an MLP on user, history and trigger (Eq. 4–5), with tables of its own.

    A history enters as its mean, and as shares of the levels of likeness in it: between behaviours
    and the next ones, and with the trigger. y_int is of such levels, of clicks and trigger. Context
    fields take no part: some, as the price shown, are of one impression, and the intent is of the
    whole request.

    Args:
        catalogue: The id spaces.
        dim: Width of one id or field embedding.
        hidden: Hidden layers of the MLP.
        levels: Number n of similarity levels.
        shares: Number of sets of shares that take part.
        ids: Whether user and item ids do. Those of items do where items have no side fields.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dim: int,
        hidden: Sequence[int],
        levels: int,
        *,
        shares: int,
        ids: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        item_ids = ids or not catalogue.spec.item_fields
        self.items = (ItemEmbedding if item_ids else ItemFields)(catalogue, dim)
        user = UserEmbedding(catalogue, dim, context=False) if ids else UserFields(catalogue, dim)
        self.user: UserEmbedding | UserFields = user
        width = user.width + 2 * self.items.width + levels * shares
        self.mlp = MLP(width, hidden, levels, dropout)

    def forward(
        self,
        batch: Batch,
        found: Int[Tensor, " N"],
        trigger: Int[Tensor, " B"],
        history: Int[Tensor, " E"],
        shares: Sequence[Float[Tensor, "B n"]],
    ) -> Float[Tensor, "B n"]:
        """Return log E_int of each impression's request.

        Args:
            batch: The impressions.
            found: The distinct items of the batch: `ItemEmbedding.distinct`.
            trigger: Place of each trigger among them.
            history: Place of each behaviour.
            shares: Shares of the levels in each history, along it and with the trigger.
        """
        table = self.items(found)
        mean = mean_rows(table, history, batch.jagged.offsets)
        inputs = (self.user(batch), mean, take_rows(table, trigger), *shares)
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
        history: Sequences,
    ) -> Float[Tensor, "B I"]:
        """Return E_imp."""
        asked = self.mlp(torch.cat([intent, trigger], dim=-1))  # Eq. 6
        return self.attention.jagged(asked, history.table, history.offsets, history.rows)


class ExplicitIntent(nn.Module):
    """What the behaviours alike to the trigger say about the target (Eq. 9–10).

    Where there is a kernel, the self-attention's last map is folded into the target attention's
    projections, so that it is made once a weight and not once a behaviour.

    Args:
        item_width: Width of an item embedding.
        width: Width of the result, over all heads.
        heads: Number of heads.
    """

    def __init__(self, item_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.self_attention = MultiHeadSelfAttention(item_width, width, heads)
        self.attention = MultiHeadTargetAttention(item_width, item_width, width, heads)

    def forward(
        self,
        target: Float[Tensor, "T D"],
        subsequence: Sequences,
        starts: Int[Tensor, " B1"] | None = None,
    ) -> Float[Tensor, "T I"]:
        """Return E_exp; ``starts`` as in `DiverseIntent.forward`."""
        table, offsets, rows = subsequence
        if not self.self_attention.takes(table):
            keys, mask = padded(table, offsets, rows)
            related = self.self_attention(keys, mask)
            if starts is not None:
                each = torch.repeat_interleave(starts.diff())
                related, mask = related[each], mask[each]
            return self.attention(target, related, mask)
        used, among = distinct(rows, len(table))  # few of the batch's items: these are projected
        related = self.self_attention.jagged(take_rows(table, used), offsets, among)  # E I
        places = torch.arange(len(rows), device=rows.device)
        last = self.self_attention.output.weight
        return self.attention.jagged(target, related, offsets, places, last, starts)


class DiverseIntent(nn.Module):
    """DIE (4.2): implicit intent exploration and explicit intent exploitation side by side.

    Args:
        item_width: Width of an item embedding.
        levels: Width of the intent distribution; 0 without UIM.
        width: Width of each result, over all heads.
        heads: Number of heads.
    """

    def __init__(self, item_width: int, levels: int, width: int, heads: int) -> None:
        super().__init__()
        self.implicit = ImplicitIntent(item_width, levels, width, heads)
        self.explicit = ExplicitIntent(item_width, width, heads)

    def forward(
        self,
        intent: Float[Tensor, "B n"],
        trigger: Float[Tensor, "B D"],
        target: Float[Tensor, "T D"],
        history: Sequences,
        alike: Sequences,
        starts: Int[Tensor, " B1"] | None = None,
    ) -> tuple[Float[Tensor, "B I"], Float[Tensor, "T I"]]:
        """Return E_imp, one per request, and E_exp, one per target.

        Args:
            intent: E_int, or y_int in its place.
            trigger: Trigger item embedding.
            target: Target item embedding.
            history: All behaviours.
            alike: Those that are alike to the trigger.
            starts: Where the targets of each request start, and the end of the last one, unless
                each has one, or a single one has all.
        """
        return self.implicit(intent, trigger, history), self.explicit(target, alike, starts)
