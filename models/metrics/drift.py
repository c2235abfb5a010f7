"""How far two windows lie apart, from sums over their rows.

Every distance here needs of a window only sums over rows: counts in bins, sums of features or of
losses. Sums of parts of a window add up to the window's, so that windows can be redrawn from parts
thousands of times without looking at a row again.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from models.metrics.ranking import log_losses

Distance = Callable[[Float[ndarray, "*batch K"], Float[ndarray, "*batch K"]], ndarray]
Part = tuple[Int[ndarray, " N"], Shaped[ndarray, " N"] | None]
"""Where each row counts, and with what weight; None is 1."""
_TINY = 1e-300


def sums_of(
    parts: Sequence[Part], owner: Int[ndarray, " N"], owners: int, size: int
) -> Float[ndarray, "G K"]:
    """Return the sums of ``parts`` over the rows of each owner, ``size`` entries each."""
    total = np.zeros(owners * size)
    for place, weight in parts:
        total += np.bincount(owner * size + place, weight, minlength=owners * size)
    return total.reshape(owners, size)


def js_distance(
    left: Float[ndarray, "*batch K"], right: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    """Return the Jensen–Shannon distance of counts or shares along the last axis.

    The square root of the divergence in nats: 0 for the same, 0.83 for nothing in common.
    """
    p = left / np.maximum(left.sum(axis=-1, keepdims=True), _TINY)
    q = right / np.maximum(right.sum(axis=-1, keepdims=True), _TINY)
    middle = np.maximum((p + q) / 2, _TINY)
    divergence = (_weighted_log(p, middle) + _weighted_log(q, middle)) / 2
    return np.sqrt(np.maximum(divergence, 0.0))


def mean_distance(
    left: Float[ndarray, "*batch K"], right: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    """Return the Euclidean distance of two means, the last entry being the number of rows.

    Of random Fourier features it is the maximum mean discrepancy (Gretton et al., JMLR 2012,
    Eq. 5).
    """
    means = [side[..., :-1] / np.maximum(side[..., -1:], _TINY) for side in (left, right)]
    return np.sqrt(((means[0] - means[1]) ** 2).sum(axis=-1))


def calibration_parts(
    labels: Shaped[ndarray, " N"], scores: Float[ndarray, " N"], bins: Int[ndarray, " N"], num: int
) -> list[Part]:
    """Return what `calibration_change` sums: per score bin the rows, clicks and predictions."""
    return [(bins, None), (num + bins, labels), (2 * num + bins, scores)]


def calibration_change(
    left: Float[ndarray, "*batch K"], right: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    """Return by how much the gap of observed and predicted click rate changed, a mean over bins.

    In probability: 0.02 is two percentage points. Bins weigh by their rows in both windows.
    """
    gaps, shares = [], []
    for side in (left, right):
        rows, clicks, predicted = np.split(side, 3, axis=-1)
        gaps.append((clicks - predicted) / np.maximum(rows, 1e-9))
        shares.append(rows / np.maximum(rows.sum(axis=-1, keepdims=True), _TINY))
    weight = (shares[0] + shares[1]) / 2 * (shares[0] > 0) * (shares[1] > 0)
    return (weight * np.abs(gaps[1] - gaps[0])).sum(axis=-1)


def ranking_parts(labels: Shaped[ndarray, " N"], bins: Int[ndarray, " N"], num: int) -> list[Part]:
    """Return the part whose sums `binned_auc` takes: non-clicks by score bin, then clicks."""
    return [(np.where(labels > 0, num, 0) + bins, None)]


def binned_auc(counts: Float[ndarray, "*batch K"]) -> Float[ndarray, "*batch"]:
    """Return the AUC of counts from `ranking_parts`; pairs within a bin count half, as ties do."""
    negatives, positives = np.split(counts, 2, axis=-1)
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    pairs = negatives.sum(axis=-1) * positives.sum(axis=-1)
    right = (positives * below).sum(axis=-1)
    return np.divide(right, pairs, out=np.full_like(right, np.nan), where=pairs > 0)


def auc_drop(
    left: Float[ndarray, "*batch K"], right: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    """Return how much lower the AUC is on the right."""
    return binned_auc(left) - binned_auc(right)


def entropy_parts(labels: Shaped[ndarray, " N"], scores: Float[ndarray, " N"]) -> list[Part]:
    """Return the parts whose sums `summed_entropy` takes: rows, clicks, log losses."""
    first = np.zeros(len(labels), np.int64)
    return [(first, None), (first + 1, labels), (first + 2, log_losses(labels, scores))]


def summed_entropy(sums: Float[ndarray, "*batch K"]) -> Float[ndarray, "*batch"]:
    """Return the normalised entropy (He et al., ADKDD 2014) of sums from `entropy_parts`."""
    rows, clicks, losses = np.moveaxis(sums, -1, 0)
    rate = np.clip(clicks / np.maximum(rows, _TINY), 1e-12, 1 - 1e-12)
    bare = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    return losses / np.maximum(rows, _TINY) / bare


def entropy_rise(
    left: Float[ndarray, "*batch K"], right: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    """Return how much higher the normalised entropy is on the right."""
    return summed_entropy(right) - summed_entropy(left)


DISTANCES: Mapping[str, Distance] = {
    "Jensen–Shannon distance": js_distance,
    "Maximum mean discrepancy": mean_distance,
    "Mean change of the calibration gap": calibration_change,
    "Fall of AUC": auc_drop,
    "Rise of normalised entropy": entropy_rise,
}
"""By the name that reports give them."""


def _weighted_log(
    p: Float[ndarray, "*batch K"], middle: Float[ndarray, "*batch K"]
) -> Float[ndarray, "*batch"]:
    return (p * np.log(np.maximum(p, _TINY) / middle)).sum(axis=-1)
