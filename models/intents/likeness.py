"""The levels of likeness between items, for a model that asks for many of them (DAIAN Eq. 12)."""

from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.data.catalogue import Catalogue
from models.errors import ConfigError
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

    @classmethod
    def of(cls, catalogue: Catalogue, model: str) -> "Likeness":
        """Return the likeness of the catalogue's items.

        Raises:
            ConfigError: it has no content or no levels; ``model`` is what asks for them.
        """
        content, mean, edges = catalogue.content, catalogue.content_mean, catalogue.intent_edges
        name = model.upper()
        if content is None or mean is None or edges is None:
            raise ConfigError(
                f"{name} needs item embeddings and intent levels, and the catalogue has none.",
                where=f"model: {model}",
                allowed="a catalogue made with content and intents",
                do="Run embed_items and bin_intents first, or train DIN, which needs neither.",
            )
        return cls(content, mean, edges)

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

    def others(
        self, asking: Int[Tensor, " R"], items: Int[Tensor, " P"], offsets: Int[Tensor, " R1"]
    ) -> Int[Tensor, " P"]:
        """Return what `forward` does, but -1 for the asking item itself, which tells nothing."""
        itself = items == torch.repeat_interleave(asking, offsets.diff(), output_size=len(items))
        return self(asking, items, offsets).masked_fill(itself, -1)

    def shares(self, level: Int[Tensor, " P"], offsets: Int[Tensor, " R1"]) -> Float[Tensor, "R n"]:
        """Return each row's share of known levels at every level; zeros without any.

        Args:
            level: Levels, row after row; -1 where it is not known.
            offsets: Where each row starts, and the end of the last one.
        """
        count, levels = len(offsets) - 1, self.edges.numel() + 1
        row = torch.repeat_interleave(offsets.diff(), output_size=len(level))
        known = level >= 0
        places = row[known] * levels + level[known]
        number = torch.bincount(places, minlength=count * levels).view(count, levels)
        return number / number.sum(-1, keepdim=True).clamp_min(1)

    def steps(self, items: Int[Tensor, " P"], offsets: Int[Tensor, " R1"]) -> Int[Tensor, " P"]:
        """Return the level of each item with the one before it; -1 for the first of a row.

        Args:
            items: Items in order, row after row.
            offsets: Where each row starts in ``items``, and the end of the last one.
        """
        alone = torch.arange(max(len(items), 1), device=items.device)  # a row each
        level = F.pad(self(items[:-1], items[1:], alone), (min(len(items), 1), 0), value=-1)
        first = offsets[:-1][offsets[:-1] < len(items)]
        return level.index_fill(0, first, -1)


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
