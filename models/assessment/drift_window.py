"""A window of impressions as drift detection sees it: its rows, and what its items mean."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from jaxtyping import Int

from models.encoders.embeddings import ItemEmbeddings
from models.reports.drift_results import DriftGroup

CLICKED_LEVEL = "intent_of_clicks"


@dataclass(frozen=True)
class Window:
    """The impressions of a stretch of time.

    Attributes:
        rows: One row an impression: features, and where known ``user_id``, ``item_id``, ``label``,
            ``score``, ``intent_level``, ``intent_of_clicks`` and ``sid_0``….
        items: Embeddings of the items, by the encoder in use then; None without.
        names: ``item_id`` and ``name``, for people; None without.
    """

    rows: pl.DataFrame
    items: ItemEmbeddings | None = None
    names: pl.DataFrame | None = None

    def sample(self, most: int, seed: int) -> "Window":
        """Return the window with up to ``most`` of its rows, in their order."""
        if self.rows.height <= most:
            return self
        drawn = np.random.default_rng(seed).choice(self.rows.height, most, replace=False)
        return Window(self.rows[np.sort(drawn)], self.items, self.names)

    @cached_property
    def item_places(self) -> Int[np.ndarray, " N"]:
        """Row of each impression's item in ``items``; -1 where it has no embedding."""
        if self.items is None:
            return np.full(self.rows.height, -1)
        known = pl.DataFrame(
            {"item_id": self.items.item_ids, "place": np.arange(len(self.items.item_ids))}
        )
        wanted = self.rows.select(pl.col("item_id").cast(known["item_id"].dtype))
        found = wanted.join(known, on="item_id", how="left", maintain_order="left")
        return found["place"].fill_null(-1).to_numpy()


def group_of(name: str) -> DriftGroup:
    """Return what the column called ``name`` is about."""
    if name == "label":
        return "label"
    if name == "score":
        return "scores"
    if name.startswith("sid_"):
        return "semantic_ids"
    return "intent" if name.startswith("intent") else "features"
