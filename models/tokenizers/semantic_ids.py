"""The two-way table between items and semantic IDs, and the cohorts."""

from pathlib import Path

import polars as pl


class SemanticIds:
    """Semantic IDs of a catalogue."""

    @classmethod
    def open(cls, folder: Path) -> "SemanticIds":
        """Return the table in ``folder``."""
        raise NotImplementedError

    def codes_of(self, item_id: int | str) -> tuple[int, ...]:
        """Return the codes of an item, the collision code last."""
        raise NotImplementedError

    def item_of(self, codes: tuple[int, ...]) -> int | str:
        """Return the item that has these codes."""
        raise NotImplementedError

    def cohort(self, level: int, code: int) -> pl.Series:
        """Return the ids of the items whose code at ``level`` is ``code``."""
        raise NotImplementedError
