"""Settings of the drift report."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from models.settings import Settings

Group = Literal["features", "label", "intent", "semantic_ids", "scores"]


DEFAULT_EFFECTS: Mapping[Group, float] = {
    "features": 0.05,
    "label": 0.02,
    "intent": 0.05,
    "semantic_ids": 0.05,
    "scores": 0.05,
}


class DriftConfig(Settings):
    """Settings of `report_drift`.

    Args:
        minimum_effect: Smallest Jensen–Shannon distance worth an alarm, by group of columns; a
            group not given keeps its default.
        column_minimum_effect: The same for single columns.
        false_alarms: Share of runs without drift that may still report one.
        resamples: A/A pairs drawn from the reference to learn each column's noise.
        quantile_bins: Bins, of equal share in the reference, of a numeric column.
        top_categories: Categories kept of a high-cardinality column, by rows in both windows.
        hash_buckets: Buckets that the rest is hashed into.
        ignore: Columns left out.
        unit: Column whose equal values belong together (a user); widens the noise accordingly.
        sample_rows: Rows of each window looked at, drawn with ``seed``.
        min_rows: With fewer rows in a window nothing is compared, and nothing has drifted.
        seed: Seed of sample and resamples.
        project: Name of the project in the Evidently workspace.
    """

    minimum_effect: dict[Group, float] = Field(default_factory=dict)
    column_minimum_effect: dict[str, float] = Field(default_factory=dict)
    false_alarms: float = Field(default=0.02, gt=0, lt=1)
    resamples: int = Field(default=500, ge=100)
    quantile_bins: int = Field(default=20, ge=2, le=200)
    top_categories: int = Field(default=30, ge=2)
    hash_buckets: int = Field(default=10, ge=1)
    ignore: tuple[str, ...] = ()
    unit: str | None = "user_id"
    sample_rows: int = Field(default=20_000, ge=100)
    min_rows: int = Field(default=50, ge=2)
    seed: int = 0
    project: str = "intentflow"

    def effect(self, column: str, group: Group) -> float:
        """Return the smallest distance worth an alarm in ``column`` of ``group``."""
        by_group = self.minimum_effect.get(group, DEFAULT_EFFECTS[group])
        return self.column_minimum_effect.get(column, by_group)
