"""The levels of likeness between items, for a model that asks for many of them (DAIAN Eq. 12)."""

from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.intents.binning import centre_content, similarity_level
from models.native import likeness as native


class Likeness(nn.Module):
    """How like the content of items is: the level of their cosine (Eq. 12).

    The native kernel, where there is one, reads 8 bits of the content where these tell the level.

    Args:
        content: Content of every item; all zeros without.
        mean: Its mean, which is taken off.
        edges: The inner edges of the levels.
    """

    content: Tensor
    edges: Tensor

    def __init__(
        self,
        content: Float[Tensor, "N C"],
        mean: Float[Tensor, " C"],
        edges: Float[Tensor, " edges"],
    ) -> None:
        super().__init__()
        centred = centre_content(content, mean)
        centred[~centred.any(-1)] = torch.nan  # then so is every cosine with what has no content
        self.register_buffer("content", centred, persistent=False)
        self.register_buffer("edges", edges, persistent=False)

    @cached_property
    def _coarse(self) -> native.Coarse:
        return native.Coarse.of(self.content)

    def forward(
        self, asking: Int[Tensor, " R"], items: Int[Tensor, " P"], offsets: Int[Tensor, " R1"]
    ) -> Int[Tensor, " P"]:
        """Return the level of each row's item with its others; -1 where either has no content.

        Args:
            asking: The item of each row.
            items: The others, row after row.
            offsets: Where each row starts in ``items``, and the end of the last one.
        """
        if native.takes(self.content):
            pairs = native.Pairs(asking, items, offsets)
            return native.levels(self.content, self._coarse, pairs, self.edges)
        rows = torch.repeat_interleave(offsets.diff(), output_size=len(items))
        left = self.content[asking.long()][rows]
        similarity = (left * self.content[items.long()]).sum(-1)
        level = similarity_level(similarity, self.edges)
        return torch.where(similarity.isnan(), -1, level)

    def steps(self, items: Int[Tensor, " P"], offsets: Int[Tensor, " R1"]) -> Float[Tensor, "R n"]:
        """Return each row's share of steps, from one item to the next, at every level.

        Steps from or to an item without content are left out; without any the shares are zero.

        Args:
            items: Items in order, row after row.
            offsets: Where each row starts in ``items``, and the end of the last one.
        """
        count, levels = len(offsets) - 1, self.edges.numel() + 1
        alone = torch.arange(max(len(items), 1), device=items.device)  # a row each
        level = self(items[:-1], items[1:], alone)
        row = torch.repeat_interleave(offsets.diff(), output_size=len(items))
        counted = (level >= 0) & (row[1:] == row[:-1])
        places = row[1:][counted] * levels + level[counted]
        number = torch.bincount(places, minlength=count * levels).view(count, levels)
        return number / number.sum(-1, keepdim=True).clamp_min(1)

    def newest_alike(
        self,
        asking: Int[Tensor, " R"],
        items: Int[Tensor, " P"],
        offsets: Int[Tensor, " R1"],
        lowest: int,
        limit: int,
    ) -> tuple[Int[Tensor, " K"], Int[Tensor, " R1"]]:
        """Return the places of each row's last items of level ``lowest`` or above, and offsets.

        The asking item itself is left out.

        Args:
            asking: The item of each row.
            items: The others, row after row.
            offsets: Where each row starts in ``items``, and the end of the last one.
            lowest: The lowest level.
            limit: Items that a row keeps at most.
        """
        if not native.takes(self.content):
            alike = self(asking, items, offsets) >= lowest
            alike &= items != asking.repeat_interleave(offsets.diff())
            return newest_chosen(alike, offsets, limit)
        # Level i and above is what exceeds the edge below it.
        edge = self.edges[lowest - 1 : lowest] if lowest else self.edges.new_full((1,), -torch.inf)
        pairs = native.Pairs(asking, items, offsets)
        return native.newest_above(self.content, self._coarse, pairs, edge, limit)


def newest_chosen(
    chosen: Bool[Tensor, " E"], offsets: Int[Tensor, " B1"], limit: int
) -> tuple[Int[Tensor, " S"], Int[Tensor, " B1"]]:
    """Return the places of each row's newest chosen events, at most ``limit``, and their offsets.

    Args:
        chosen: Which events are chosen, row after row, oldest first.
        offsets: Where each row starts, and the end of the last one.
        limit: Events a row keeps at most.
    """
    before = F.pad(chosen.cumsum(0), (1, 0))
    left = before[offsets[1:]].repeat_interleave(offsets.diff()) - before[:-1]
    kept = chosen & (left <= limit)
    return kept.nonzero().squeeze(-1), F.pad(kept.cumsum(0), (1, 0))[offsets]
