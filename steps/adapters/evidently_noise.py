"""How far two windows of the same distribution lie apart by chance: where drift begins."""

import numpy as np
import polars as pl
from jaxtyping import Float, Int
from scipy import stats

from steps.adapters.evidently_columns import Comparison


def js_distance(
    left: Float[np.ndarray, "*batch K"], right: Float[np.ndarray, "*batch K"]
) -> Float[np.ndarray, "*batch"]:
    """Return the Jensen–Shannon distance of counts or shares along the last axis.

    The square root of the divergence in nats: 0 for the same, 0.83 for nothing in common.
    """
    p = left / np.maximum(left.sum(axis=-1, keepdims=True), 1e-300)
    q = right / np.maximum(right.sum(axis=-1, keepdims=True), 1e-300)
    middle = np.maximum((p + q) / 2, 1e-300)
    divergence = (_weighted_log(p, middle) + _weighted_log(q, middle)) / 2
    return np.sqrt(np.maximum(divergence, 0.0))


def noise_threshold(
    comparison: Comparison, *, false_alarm: float, resamples: int, generator: np.random.Generator
) -> float:
    """Return the distance that windows like these exceed with chance ``false_alarm``.

    Pairs of windows of the same sizes are drawn from the reference (A/A). Their divergence is close
    to a scaled chi-square, so its far tail is read off the gamma distribution of the same mean and
    variance, which needs fewer resamples than counting would.

    Rows of one unit resemble each other: a window then says as much as fewer independent rows. How
    many is its size over the design effect (first-order correction of Rao and Scott, 1984).
    """
    bins = comparison.num_bins
    if bins < 2:
        return 0.0
    counts = np.bincount(comparison.reference_bins, minlength=bins)
    shares = (counts + 0.5) / (counts + 0.5).sum()
    sizes = [
        _independent_rows(column, units, bins)
        for column, units in (
            (comparison.reference_bins, comparison.reference_units),
            (comparison.current_bins, comparison.current_units),
        )
    ]
    left, right = (generator.multinomial(size, shares, size=resamples) for size in sizes)
    divergence = js_distance(left.astype(float), right.astype(float)) ** 2
    mean, variance = float(divergence.mean()), float(divergence.var())
    if mean <= 0 or variance <= 0:
        return 0.0
    tail = stats.gamma.ppf(1 - false_alarm, mean**2 / variance, scale=variance / mean)
    return float(np.sqrt(tail))


def _independent_rows(bins: Int[np.ndarray, " N"], units: pl.Series | None, num_bins: int) -> int:
    if units is None:
        return len(bins)
    return max(2, round(len(bins) / max(1.0, _design_effect(bins, units, num_bins))))


def _design_effect(bins: Int[np.ndarray, " N"], units: pl.Series, num_bins: int) -> float:
    """Return the mean over bins of how much more their share varies than of independent rows."""
    cells = (
        pl.DataFrame({"unit": units, "bin": bins})
        .group_by("unit", "bin")
        .agg(pl.len().alias("rows"))
        .with_columns(pl.col("rows").sum().over("unit").alias("of_unit"))
    )
    rows, of_unit = (
        cells["rows"].to_numpy().astype(float),
        cells["of_unit"].to_numpy().astype(float),
    )
    places = cells["bin"].to_numpy()
    shares = np.bincount(bins, minlength=num_bins) / len(bins)
    squares = float(cells.unique("unit")["of_unit"].cast(pl.Float64).pow(2).sum())
    own = np.bincount(places, weights=rows * rows, minlength=num_bins)
    mixed = np.bincount(places, weights=rows * of_unit, minlength=num_bins)
    spread = own - 2 * shares * mixed + shares**2 * squares
    there = shares > 0
    return float((spread[there] / (len(bins) * shares[there])).sum() / max(there.sum() - 1, 1))


def _weighted_log(
    p: Float[np.ndarray, "*batch K"], middle: Float[np.ndarray, "*batch K"]
) -> Float[np.ndarray, "*batch"]:
    return (p * np.log(np.maximum(p, 1e-300) / middle)).sum(axis=-1)
