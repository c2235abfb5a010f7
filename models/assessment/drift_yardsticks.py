"""What a window is measured by: each yardstick turns its rows into sums that can be compared.

A yardstick is learnt from the reference alone, so that the same reference always gives the same
sums, and thresholds learnt from them can be kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from models.assessment.drift_bins import Bins
from models.assessment.drift_window import Window
from models.metrics.drift import (
    Part,
    calibration_parts,
    entropy_parts,
    ranking_parts,
    sums_of,
)
from models.metrics.random_features import RandomFeatures
from models.reports.drift_results import DriftGroup

ITEMS_AT_ONCE = 50_000


class Yardstick(Protocol):
    """One thing that is compared."""

    @property
    def name(self) -> str:
        """The column, or what is measured."""
        ...

    @property
    def group(self) -> DriftGroup:
        """What it is about."""
        ...

    @property
    def method(self) -> str:
        """The distance, a key of `models.metrics.drift.DISTANCES`."""
        ...

    def sums(
        self, window: Window, owner: Int[np.ndarray, " N"], owners: int
    ) -> Float[np.ndarray, "G K"]:
        """Return the sums over the rows of each owner; rows of owner -1 are left out."""
        ...


@dataclass(frozen=True)
class ColumnShares:
    """The shares of a column's values or bins."""

    name: str
    group: DriftGroup
    bins: Bins
    method: str = "Jensen–Shannon distance"

    def sums(
        self, window: Window, owner: Int[np.ndarray, " N"], owners: int
    ) -> Float[np.ndarray, "G K"]:
        """Return rows by owner and bin."""
        bins = self.bins.of(window.rows[self.name])
        kept = (bins >= 0) & (owner >= 0)
        return sums_of([(bins[kept], None)], owner[kept], owners, len(self.bins.names))


@dataclass(frozen=True)
class EmbeddingMeans:
    """Where the items lie that were shown, or clicked, in the space of their embeddings."""

    name: str
    features: RandomFeatures
    clicked: bool
    group: DriftGroup = "embeddings"
    method: str = "Maximum mean discrepancy"

    def sums(
        self, window: Window, owner: Int[np.ndarray, " N"], owners: int
    ) -> Float[np.ndarray, "G K"]:
        """Return the sum of features and the number of rows, by owner."""
        size, items = 2 * self.features.directions.shape[1], window.items
        total = np.zeros((owners, size + 1))
        places = window.item_places
        kept = (places >= 0) & (owner >= 0)
        if self.clicked:
            kept &= (window.rows["label"].fill_null(0) > 0).to_numpy()
        if items is None or not kept.any():
            return total
        total[:, -1] = np.bincount(owner[kept], minlength=owners)
        if items.values.shape[1] != self.features.directions.shape[0]:
            return total  # another space: nothing in common
        shown, column = np.unique(places[kept], return_inverse=True)
        rows = sparse.csr_array(
            (np.ones(len(column), np.float32), (owner[kept], column)), shape=(owners, len(shown))
        )
        for first in range(0, len(shown), ITEMS_AT_ONCE):
            some = slice(first, first + ITEMS_AT_ONCE)
            total[:, :-1] += rows[:, some] @ self.features.transform(items.values[shown[some]])
        return total


class Scored(ABC):
    """Measured by sums over the rows that have both label and score."""

    @abstractmethod
    def parts(
        self, labels: Float[np.ndarray, " M"], scores: Float[np.ndarray, " M"]
    ) -> tuple[Sequence[Part], int]:
        """Return what is summed, and how many sums that makes."""

    def sums(
        self, window: Window, owner: Int[np.ndarray, " N"], owners: int
    ) -> Float[np.ndarray, "G K"]:
        """Return the sums of `parts` by owner."""
        rows = window.rows.select("label", "score")
        there = rows["label"].is_not_null() & rows["score"].is_not_null()
        kept = (owner >= 0) & there.to_numpy()
        labels, scores = (
            rows[column].to_numpy()[kept].astype(np.float64) for column in ("label", "score")
        )
        parts, size = self.parts(labels, scores)
        return sums_of(parts, owner[kept], owners, size)


@dataclass(frozen=True)
class Calibration(Scored):
    """The gap of observed and predicted click rate, by score."""

    edges: Float[np.ndarray, " E"]
    name: str = "calibration"
    group: DriftGroup = "calibration"
    method: str = "Mean change of the calibration gap"

    def parts(
        self, labels: Float[np.ndarray, " M"], scores: Float[np.ndarray, " M"]
    ) -> tuple[Sequence[Part], int]:
        """Return rows, clicks and predictions by score bin."""
        bins, num = _binned(scores, self.edges)
        return calibration_parts(labels, scores, bins, num), 3 * num


@dataclass(frozen=True)
class Ranking(Scored):
    """How well scores rank clicks above the rest."""

    edges: Float[np.ndarray, " E"]
    name: str = "AUC"
    group: DriftGroup = "quality"
    method: str = "Fall of AUC"

    def parts(
        self, labels: Float[np.ndarray, " M"], scores: Float[np.ndarray, " M"]
    ) -> tuple[Sequence[Part], int]:
        """Return other rows and clicks by score bin."""
        bins, num = _binned(scores, self.edges)
        return ranking_parts(labels, bins, num), 2 * num


@dataclass(frozen=True)
class Entropy(Scored):
    """How surprising the clicks were, over how surprising they are to the bare click rate."""

    name: str = "normalised entropy"
    group: DriftGroup = "quality"
    method: str = "Rise of normalised entropy"

    def parts(
        self, labels: Float[np.ndarray, " M"], scores: Float[np.ndarray, " M"]
    ) -> tuple[Sequence[Part], int]:
        """Return rows, clicks and log losses."""
        return entropy_parts(labels, scores), 3


def _binned(
    scores: Float[np.ndarray, " M"], edges: Float[np.ndarray, " E"]
) -> tuple[Int[np.ndarray, " M"], int]:
    """Return the bin of each score, and the number of bins."""
    return np.searchsorted(edges, scores, side="left"), len(edges) + 1
