"""A comparison in plain words: what either window held, and what became of it."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from models.assessment.drift_bins import MISSING, NEW, NEW_AND_FREQUENT, numbers
from models.assessment.drift_window import Window
from models.assessment.drift_yardsticks import (
    Calibration,
    ColumnShares,
    EmbeddingMeans,
    Ranking,
    Yardstick,
)
from models.metrics.drift import binned_auc, summed_entropy
from models.reports.drift_results import ShareChange
from models.reports.verdicts import DriftColumn

BARS = 8
_IN_WORDS = {
    MISSING: "missing values",
    NEW: "values the reference does not have",
    NEW_AND_FREQUENT: "frequent values the reference does not have",
}
UNIT_CHANGE = 8.0  # times as large: more often a new unit than a new world


@dataclass(frozen=True)
class Compared:
    """One yardstick laid to both windows.

    Attributes:
        column: Its verdict.
        yardstick: What was measured.
        left: The reference's sums.
        right: The current window's sums.
    """

    column: DriftColumn
    yardstick: Yardstick
    left: Float[np.ndarray, " K"]
    right: Float[np.ndarray, " K"]

    @property
    def shares(self) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
        """The share of each bin in either window."""
        left, right = (side / max(side.sum(), 1e-9) for side in (self.left, self.right))
        return left, right

    @property
    def most_changed(self) -> int:
        """The bin whose share changed most."""
        left, right = self.shares
        return int(np.abs(right - left).argmax())


def in_words(one: Compared, before: Window, now: Window) -> tuple[str, str]:
    """Return either window in a few words."""
    stick = one.yardstick
    if isinstance(stick, ColumnShares):
        return _column_words(one, stick, before, now)
    if isinstance(stick, EmbeddingMeans):
        return _embedding_words(one, before, now)
    if isinstance(stick, Calibration):
        left, right = (_calibration_words(side) for side in (one.left, one.right))
    elif isinstance(stick, Ranking):
        left, right = (f"AUC {float(binned_auc(side)):.4f}" for side in (one.left, one.right))
    else:
        left, right = (f"{float(summed_entropy(side)):.4f}" for side in (one.left, one.right))
    return left, right


def told(one: Compared, before: Window, now: Window) -> str:
    """Return one sentence: what was, what is, how far that is and what would be allowed."""
    column = one.column
    if column.statistic is None:
        return f"{column.name} could not be compared: the newest window has no such rows."
    allowed = (
        f" ({column.method[0].lower() + column.method[1:]} {column.statistic:.3f}, "
        f"allowed {column.threshold:.3f})"
    )
    return f"{_plainly(one, before, now)}{allowed.replace('jensen', 'Jensen')}."


def share_changes(one: Compared) -> tuple[ShareChange, ...]:
    """Return the bins whose shares changed most, in the order of the bins."""
    if not isinstance(one.yardstick, ColumnShares):
        return ()
    left, right = one.shares
    seen = np.flatnonzero((left > 0) | (right > 0))
    most = seen[np.argsort(-np.abs(right - left)[seen], kind="stable")[:BARS]]
    names = one.yardstick.bins.names
    return tuple(
        ShareChange(names[place], float(left[place]), float(right[place]))
        for place in np.sort(most)
    )


def same_item_cosine(before: Window, now: Window) -> float | None:
    """Return the median cosine of the items embedded in both windows; None if dimensions differ."""
    if before.items is None or now.items is None or before.items is now.items:
        return 1.0
    if before.items.values.shape[1] != now.items.values.shape[1]:
        return None
    left = before.items.values
    right = now.items.aligned(before.items.item_ids)
    both = (np.abs(right).sum(axis=1) > 0) & (np.abs(left).sum(axis=1) > 0)
    return float(np.median((left[both] * right[both]).sum(axis=1))) if both.any() else 1.0


def _plainly(one: Compared, before: Window, now: Window) -> str:
    column = one.column
    if column.group == "calibration":
        return f"Predicted and observed click rates were {column.reference}; now {column.current}"
    if column.group == "embeddings":
        return _embedding_sentence(one, before, now)
    words = f"{column.name} went from {column.reference} to {column.current}"
    stick = one.yardstick
    if not isinstance(stick, ColumnShares) or column.group == "label":
        return words
    name = stick.bins.names[one.most_changed]
    if stick.bins.edges is not None and name != MISSING:
        return words + _unit_words(before.rows[stick.name], now.rows[stick.name])
    left, right = (100 * side[one.most_changed] for side in one.shares)
    shown = _IN_WORDS.get(name, name)
    return f"{column.name}: {shown} went from {left:.1f} % to {right:.1f} % of rows"


def _unit_words(before: pl.Series, now: pl.Series) -> str:
    middles = [numbers(side).median() for side in (before, now)]
    if not all(isinstance(m, float) and m > 0 for m in middles):
        return ""
    factor = float(middles[1]) / float(middles[0])  # pyright: ignore[reportArgumentType]
    if factor >= UNIT_CHANGE:
        return f", {factor:.3g} times as large: has its unit changed?"
    if factor <= 1 / UNIT_CHANGE:
        return f", {1 / factor:.3g} times as small: has its unit changed?"
    return ""


def _column_words(
    one: Compared, stick: ColumnShares, before: Window, now: Window
) -> tuple[str, str]:
    left, right = one.shares
    most = one.most_changed
    name = stick.bins.names[most]
    if stick.group == "label":
        clicked = stick.bins.names.index("1") if "1" in stick.bins.names else most
        return f"{100 * left[clicked]:.2f} % clicked", f"{100 * right[clicked]:.2f} % clicked"
    if stick.bins.edges is not None and name != MISSING:
        return _number_words(before.rows[stick.name]), _number_words(now.rows[stick.name])
    shown = _IN_WORDS.get(name, name)
    first, then = (f"{shown} in {100 * side[most]:.1f} % of rows" for side in (left, right))
    return first, then


def _number_words(column: pl.Series) -> str:
    values = numbers(column).drop_nulls().to_numpy()
    if not len(values):
        return "no values"
    return f"mean {values.mean():.4g}, median {np.median(values):.4g}"


def _embedding_words(one: Compared, before: Window, now: Window) -> tuple[str, str]:
    left, right = (
        f"{int(side[-1])} rows of items with "
        f"{0 if window.items is None else window.items.values.shape[1]} numbers each"
        for side, window in ((one.left, before), (one.right, now))
    )
    return left, right


def _embedding_sentence(one: Compared, before: Window, now: Window) -> str:
    cosine = same_item_cosine(before, now)
    what = one.column.name
    if cosine is None:
        return f"The {what} have another number of dimensions: another encoder is in use"
    if cosine < 0.9:
        return (
            f"The {what} come from another encoder: the same item's old and new "
            f"embedding have a median cosine of {cosine:.2f}"
        )
    if one.column.drifted:
        return f"The {what} lie elsewhere: items of another kind than in the reference"
    return f"The {what} lie where they did"


def _calibration_words(side: Float[np.ndarray, " K"]) -> str:
    rows, clicks, predicted = (part.sum() for part in np.split(side, 3))
    rows = max(rows, 1)
    return f"{100 * predicted / rows:.2f} % predicted, {100 * clicks / rows:.2f} % observed"
