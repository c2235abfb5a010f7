"""The reference window, measured: yardsticks learnt from it, and its sums by groups of users.

Rows of one user resemble each other. Users are therefore gathered at random into at most a few
thousand clusters, and windows are redrawn from whole clusters: what a user brings along stays
together, and a million rows are redrawn as quickly as a thousand.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from models.assessment.drift_bins import (
    FEW_VALUES,
    Bins,
    category_bins,
    number_bins,
    quantile_edges,
    top_bins,
)
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import Window, group_of
from models.assessment.drift_yardsticks import (
    Calibration,
    ColumnShares,
    EmbeddingMeans,
    Entropy,
    Ranking,
    Yardstick,
)
from models.metrics.random_features import RandomFeatures

CLUSTERS, MOST_CLUSTERS, DRAWN_CLUSTERS = 500, 5000, 20
CALIBRATION_BINS, RANKING_BINS = 10, 200
ONE_PER_UNIT, ROWS_TO_TELL = 1.02, 2


@dataclass(frozen=True)
class Measured:
    """A yardstick laid to the reference.

    Attributes:
        yardstick: What is measured.
        sums: By cluster.
        exclusive: Whether the values are the units themselves, or as good as: two windows of
            different users then have none in common, however alike they are.
    """

    yardstick: Yardstick
    sums: Float[np.ndarray, "G K"]
    exclusive: bool = False

    @property
    def many(self) -> bool:
        """Whether the column has more values than get a bin each."""
        return isinstance(self.yardstick, ColumnShares) and self.yardstick.bins.many


@dataclass(frozen=True)
class Reference:
    """The reference window, measured.

    Attributes:
        measured: Its yardsticks and their sums.
        rows: Number of its rows.
        clusters: Number of clusters.
    """

    measured: tuple[Measured, ...]
    rows: int
    clusters: int

    @property
    def data_hash(self) -> str:
        """SHA-256 of all that thresholds depend on: the sums, and what they are sums of."""
        summary = hashlib.sha256(f"{self.rows} {self.clusters}".encode())
        for one in self.measured:
            summary.update(f"{one.yardstick.name} {one.yardstick.method} {one.exclusive}".encode())
            summary.update(one.sums.tobytes())
        return summary.hexdigest()


def measure_reference(window: Window, current_rows: int, settings: DriftSettings) -> Reference:
    """Return the reference, measured by all that its columns allow.

    Args:
        window: The reference window.
        current_rows: Size of the windows it will be compared to; small ones need many clusters.
        settings: What to measure, and how finely.
    """
    generator = np.random.default_rng(settings.seed)
    owner, clusters = _clusters(window, current_rows, settings, generator)
    learner = _Learner(window, current_rows, settings, owner, clusters, generator)
    columns = [name for name in window.rows.columns if name not in settings.ignore]
    measured = [one for name in columns if (one := learner.column(name)) is not None]
    measured += learner.scores() + learner.embeddings()
    return Reference(tuple(measured), window.rows.height, clusters)


def _clusters(
    window: Window, current_rows: int, settings: DriftSettings, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " N"], int]:
    """Return the cluster of each row and their number."""
    rows = window.rows.height
    if settings.unit in window.rows.columns:
        unit = window.rows[settings.unit].rank("dense").fill_null(0).to_numpy().astype(np.int64)
    else:
        unit = np.arange(rows)
    wanted = int(np.clip(DRAWN_CLUSTERS * rows / current_rows, CLUSTERS, MOST_CLUSTERS))
    units = int(unit.max()) + 1
    shuffled = generator.permutation(units)
    number = min(wanted, units)
    return shuffled[unit] % number, number


@dataclass(frozen=True)
class _Learner:
    """Lays yardsticks to the reference."""

    window: Window
    current_rows: int
    settings: DriftSettings
    owner: Int[np.ndarray, " N"]
    clusters: int
    generator: np.random.Generator

    def column(self, name: str) -> Measured | None:
        column, group = self.window.rows[name], group_of(name)
        kinds = column.n_unique()
        missing = group not in {"label", "intent"}
        if column.null_count() == len(column) and not missing:
            return None
        if _is_number(name, column) and kinds > FEW_VALUES:
            return self._whole(name, number_bins(column, self.settings.quantile_bins))
        top = self.settings.top_codes if group == "semantic_ids" else self.settings.top_categories
        if kinds <= max(self.settings.top_categories, FEW_VALUES):
            return self._whole(name, category_bins(column, missing=missing))
        return self._many(name, top, missing=missing)

    def _whole(self, name: str, bins: Bins) -> Measured:
        yardstick = ColumnShares(name, group_of(name), bins)
        return Measured(yardstick, yardstick.sums(self.window, self.owner, self.clusters))

    def _many(self, name: str, top: int, *, missing: bool) -> Measured:
        """Return a column of many values: half decides which are on top, the other is counted."""
        exclusive = self._is_exclusive(name)
        if exclusive:
            chosen = self.generator.random(len(self.owner)) < 0.5
            owner, clusters = np.where(chosen, -1, self.owner), self.clusters
        else:
            chosen = self.owner % 2 == 0
            owner, clusters = np.where(chosen, -1, self.owner // 2), self.clusters // 2
        smaller = min(self.current_rows, len(self.owner) / 2)
        bins = top_bins(
            self.window.rows[name],
            chosen,
            self.settings,
            top=top,
            least_rows=self.settings.rows_per_category * chosen.sum() / smaller,
            missing=missing,
            unseen=not exclusive,
        )
        yardstick = ColumnShares(name, group_of(name), bins)
        return Measured(yardstick, yardstick.sums(self.window, owner, clusters), exclusive)

    def _is_exclusive(self, name: str) -> bool:
        unit = self.settings.unit
        if unit is None or unit not in self.window.rows.columns:
            return False
        if name == unit:
            return True
        units = self.window.rows[unit].n_unique()
        if units * ROWS_TO_TELL > self.window.rows.height:
            return False  # with a row each, every column would look like the units' own
        pairs = self.window.rows.select(pl.struct(unit, name).n_unique()).item()
        return pairs <= ONE_PER_UNIT * units

    def scores(self) -> list[Measured]:
        rows = self.window.rows
        if not {"label", "score"} <= set(rows.columns):
            return []
        known = rows.select("label", "score").drop_nulls()
        if known["label"].n_unique() < 2 or known.height < self.settings.min_rows:
            return []
        scores = known["score"].to_numpy()
        found: list[Yardstick] = [
            Calibration(quantile_edges(scores, CALIBRATION_BINS)),
            Ranking(quantile_edges(scores, RANKING_BINS)),
            Entropy(),
        ]
        return [self._measured(one) for one in found if one.name not in self.settings.ignore]

    def embeddings(self) -> list[Measured]:
        items, rows = self.window.items, self.window.rows
        if items is None or "item_id" not in rows.columns:
            return []
        places = self.window.item_places
        shown = np.unique(places[places >= 0])
        if not len(shown):
            return []
        number, seed = self.settings.embedding_features, self.settings.seed
        features = RandomFeatures.fit(items.values[shown], features=number, seed=seed)
        found = [EmbeddingMeans("embeddings of shown items", features, clicked=False)]
        if "label" in rows.columns:
            found.append(EmbeddingMeans("embeddings of clicked items", features, clicked=True))
        return [self._measured(one) for one in found if one.name not in self.settings.ignore]

    def _measured(self, yardstick: Yardstick) -> Measured:
        return Measured(yardstick, yardstick.sums(self.window, self.owner, self.clusters))


def _is_number(name: str, column: pl.Series) -> bool:
    if name.endswith("_id") or group_of(name) in {"label", "intent", "semantic_ids"}:
        return False
    return column.dtype.is_numeric()
