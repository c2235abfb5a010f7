"""Settings of drift detection."""

from collections.abc import Mapping

from pydantic import Field

from models.reports.drift_results import DriftGroup
from models.settings import Settings

DEFAULT_EFFECTS: Mapping[DriftGroup, float] = {
    "features": 0.05,
    "label": 0.02,
    "embeddings": 0.05,
    "semantic_ids": 0.05,
    "intent": 0.05,
    "scores": 0.05,
    "calibration": 0.02,
    "quality": 0.02,
}


class DriftSettings(Settings):
    """Settings of `models.assessment.drift_detection.detect`.

    Args:
        minimum_effect: Smallest distance worth an alarm, by group of columns; a group not given
            keeps its default.
        column_minimum_effect: The same for single columns.
        many_values_effect: The same for columns of more values than ``top_categories``: IDs.
        false_alarms: Share of runs without drift that may still report one.
        resamples: A/A pairs drawn from the reference to learn each column's noise.
        quantile_bins: Bins, of equal share in the reference, of a numeric column.
        top_categories: Categories kept of a column with more values.
        top_codes: Codes kept of a semantic-ID level.
        hash_buckets: Buckets that the rest is hashed into.
        rows_per_category: A category kept has at least so many rows in the smaller window.
        embedding_features: Random Fourier features that embeddings are compared by.
        ignore: Columns left out.
        unit: Column whose equal values belong together (a user); widens the noise accordingly.
        sample_rows: Rows of each window looked at, drawn with ``seed``.
        min_rows: With fewer rows in a window nothing is compared, and nothing has drifted.
        examples: Rows shown of each change.
        seed: Seed of sample and resamples.
    """

    minimum_effect: dict[DriftGroup, float] = Field(default_factory=dict)
    column_minimum_effect: dict[str, float] = Field(default_factory=dict)
    many_values_effect: float = Field(default=0.1, ge=0)
    false_alarms: float = Field(default=0.02, gt=0, lt=1)
    resamples: int = Field(default=500, ge=100)
    quantile_bins: int = Field(default=20, ge=2, le=200)
    top_categories: int = Field(default=30, ge=2)
    top_codes: int = Field(default=256, ge=2)
    hash_buckets: int = Field(default=10, ge=1)
    rows_per_category: int = Field(default=5, ge=1)
    embedding_features: int = Field(default=256, ge=2, multiple_of=2)
    ignore: tuple[str, ...] = ()
    unit: str | None = "user_id"
    sample_rows: int = Field(default=200_000, ge=100)
    min_rows: int = Field(default=50, ge=2)
    examples: int = Field(default=5, ge=0, le=50)
    seed: int = 0

    def effect(self, column: str, group: DriftGroup, *, many_values: bool = False) -> float:
        """Return the smallest distance worth an alarm in ``column`` of ``group``."""
        by_group = self.minimum_effect.get(group, DEFAULT_EFFECTS[group])
        if many_values:
            by_group = max(by_group, self.many_values_effect)
        return self.column_minimum_effect.get(column, by_group)
