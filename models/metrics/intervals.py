"""How sure a metric is: bootstraps that resample users, and the rank-sum test over seeds.

Impressions of one user are not independent; users are. Resampling impressions would give
intervals that are too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real, Shaped
from numpy import ndarray

from models.errors import ConfigError
from models.metrics.ranking import group_aucs, log_losses, rank

# A statistic of a resample: how often each user was drawn → its value.
Statistic = Callable[[Int[ndarray, " U"]], float]
METRICS = ("auc", "gauc", "log_loss")


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % percentile interval; nan where it does not exist."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Metric of a minus metric of b on the same resamples of users.

    Attributes:
        value: The difference on the data themselves.
        low: Lower end of the 95 % percentile interval.
        high: Upper end of it.
        p: Two-sided bootstrap p-value of no difference, never below 2 / (repeats + 1).
    """

    value: float
    low: float
    high: float
    p: float


def user_bootstrap(
    metric_name: str,
    labels: Shaped[ndarray, " N"],
    scores: Real[ndarray, " N"],
    users: Shaped[ndarray, " N"],
    repeats: int,
    seed: int,
) -> Interval:
    """Return a metric and its 95 % interval over ``repeats`` resamples of the users.

    Args:
        metric_name: "auc", "gauc" or "log_loss".
        labels: 0 or 1.
        scores: Scores; for log loss, probabilities.
        users: The user of each example.
        repeats: Number of resamples; 0 gives nan ends.
        seed: Seeds the resampling.

    Raises:
        ConfigError: there is no such metric.
    """
    names, codes = np.unique(users, return_inverse=True)
    statistic = _statistic(metric_name, labels, scores, codes, len(names))
    draws = np.array([statistic(counts) for counts in _resamples(len(names), repeats, seed)])
    low, high = _percentiles(draws)
    return Interval(statistic(np.ones(len(names), dtype=np.int64)), low, high)


def paired_bootstrap(
    labels: Shaped[ndarray, " N"],
    scores_a: Real[ndarray, " N"],
    scores_b: Real[ndarray, " N"],
    users: Shaped[ndarray, " N"],
    repeats: int,
    seed: int,
    metrics: tuple[str, ...] = ("auc", "gauc"),
) -> dict[str, PairedDifference]:
    """Return metric(a) - metric(b) by metric name, both scored on the same resampled users.

    Args:
        labels: 0 or 1.
        scores_a: Scores of the model under test.
        scores_b: Scores of the model it is compared with.
        users: The user of each example.
        repeats: Number of resamples; 0 gives nan ends.
        seed: Seeds the resampling.
        metrics: Among "auc", "gauc" and "log_loss".
    """
    names, codes = np.unique(users, return_inverse=True)
    pairs = {
        metric: [_statistic(metric, labels, s, codes, len(names)) for s in (scores_a, scores_b)]
        for metric in metrics
    }
    draws: dict[str, list[float]] = {metric: [] for metric in metrics}
    for counts in _resamples(len(names), repeats, seed):
        for metric, (first, second) in pairs.items():
            draws[metric].append(first(counts) - second(counts))
    once = np.ones(len(names), dtype=np.int64)
    return {
        metric: _difference(first(once) - second(once), np.array(draws[metric]))
        for metric, (first, second) in pairs.items()
    }


def rank_sum_test(a: Float[ndarray, " A"], b: Float[ndarray, " Q"]) -> float:
    """Return the one-sided p-value that ``a`` tends to be larger than ``b`` (DAIAN Table 1).

    Wilcoxon's rank-sum test over runs that differ by seed; exact for small samples without ties.
    Five seeds against five reach 1 / 252 = .004 at best, three against three only .05.
    """
    if not len(a) or not len(b):
        return float("nan")
    from scipy.stats import mannwhitneyu  # most of a second, which a cached run need not wait

    return float(mannwhitneyu(a, b, alternative="greater").pvalue)


def _resamples(users: int, repeats: int, seed: int) -> list[Int[ndarray, " U"]]:
    generator = np.random.default_rng(seed)
    return [
        np.bincount(generator.integers(users, size=users), minlength=users) for _ in range(repeats)
    ]


def _statistic(
    metric: str,
    labels: Shaped[ndarray, " N"],
    scores: Real[ndarray, " N"],
    codes: Int[ndarray, " N"],
    users: int,
) -> Statistic:
    """Return the metric as a function of how often each user is drawn; the sorting is done here."""
    if metric == "auc":
        ranking = rank(labels, scores)
        user_in_order = codes[ranking.order]
        return lambda counts: ranking.auc(counts[user_in_order].astype(np.float64))
    if metric == "gauc":
        groups = group_aucs(labels, scores, codes)
        weight = np.where(np.isnan(groups.auc), 0.0, groups.impressions)
        weighted = weight * np.nan_to_num(groups.auc)
        return lambda counts: _ratio(counts @ weighted, counts @ weight)
    if metric == "log_loss":
        loss = np.bincount(codes, log_losses(labels, scores), minlength=users)
        number = np.bincount(codes, minlength=users)
        return lambda counts: _ratio(counts @ loss, counts @ number)
    raise ConfigError(f"No bootstrap is known for {metric!r}.", allowed=", ".join(METRICS))


def _ratio(numerator: Any, denominator: Any) -> float:
    return float(numerator) / float(denominator) if denominator > 0 else float("nan")


def _percentiles(draws: Float[ndarray, " r"]) -> tuple[float, float]:
    draws = draws[~np.isnan(draws)] if len(draws) else draws
    if not len(draws):
        return float("nan"), float("nan")
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _difference(value: float, draws: Float[ndarray, " r"]) -> PairedDifference:
    low, high = _percentiles(draws)
    draws = draws[~np.isnan(draws)] if len(draws) else draws
    if not len(draws):
        return PairedDifference(value, low, high, float("nan"))
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return PairedDifference(value, low, high, min(1.0, 2 * (tail + 1) / (len(draws) + 1)))
