"""How far predicted probabilities are from observed click rates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from models.metrics.ranking import check_labels, log_loss, log_losses


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predicted and observed click rate per bin, empty bins left out.

    Attributes:
        predicted: Mean predicted probability of each bin.
        observed: Share of clicks in each bin.
        count: Examples in each bin.
        low: Lower end of the 95 % Wilson interval of ``observed``.
        high: Upper end of that interval.
    """

    predicted: Float[ndarray, " b"]
    observed: Float[ndarray, " b"]
    count: Int[ndarray, " b"]
    low: Float[ndarray, " b"]
    high: Float[ndarray, " b"]


def equal_width_bins(probabilities: Float[ndarray, " N"], bins: int) -> Int[ndarray, " N"]:
    """Return the bin of each probability: bin i holds [i / bins, (i + 1) / bins), the last 1."""
    return np.minimum((probabilities.astype(np.float64) * bins).astype(np.int64), bins - 1)


def equal_count_bins(probabilities: Float[ndarray, " N"], bins: int) -> Int[ndarray, " N"]:
    """Return the bin of each probability, edges at quantiles: equal values share a bin."""
    if not len(probabilities):
        return np.empty(0, dtype=np.int64)
    edges = np.quantile(probabilities, np.arange(1, bins) / bins)
    return np.searchsorted(edges, probabilities, side="right")


def expected_calibration_error(
    labels: Shaped[ndarray, " N"], p: Float[ndarray, " N"], bins: int = 15
) -> float:
    """Return the mean gap between predicted and observed click rate over equal-width bins.

    Each bin weighs by its examples (Guo et al., ICML 2017, Eq. 3). Nan without examples.
    """
    log_losses(labels, p)
    if not len(p):
        return float("nan")
    code = equal_width_bins(p, bins)
    gap = np.bincount(code, check_labels(labels) - p.astype(np.float64), minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def normalised_entropy(labels: Shaped[ndarray, " N"], p: Float[ndarray, " N"]) -> float:
    """Return log loss over the log loss of always predicting the click rate (He et al., 2014).

    Below 1 is better than knowing only the click rate; nan where one class is absent.
    """
    clicked = check_labels(labels)
    rate = float(clicked.mean()) if len(clicked) else 0.0
    if rate in {0.0, 1.0}:
        return float("nan")
    return log_loss(labels, p) / -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))


def reliability_curve(
    labels: Shaped[ndarray, " N"], p: Float[ndarray, " N"], bins: int = 15
) -> Reliability:
    """Return predicted against observed click rate in bins of about equal count.

    Click probabilities crowd near 0: equal-width bins would leave most of the curve empty.
    """
    code = equal_count_bins(p, bins)
    count = np.bincount(code, minlength=bins)
    filled = count > 0
    count = count[filled]
    predicted = np.bincount(code, p.astype(np.float64), minlength=bins)[filled] / count
    observed = np.bincount(code, check_labels(labels), minlength=bins)[filled] / count
    low, high = wilson_interval(observed, count)
    return Reliability(predicted, observed, count, low, high)


def wilson_interval(
    share: Float[ndarray, " b"], count: Int[ndarray, " b"], z: float = 1.959964
) -> tuple[Float[ndarray, " b"], Float[ndarray, " b"]]:
    """Return the Wilson score interval of shares seen in ``count`` draws, 95 % by default."""
    spread = z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
