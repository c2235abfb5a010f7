"""What a backtest measured: one point a seed, policy and window, and what they say together."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.data.watermark import DAY_S
from models.files import write_text

POINTS_FILE, RESULT_FILE = "points.csv", "backtest.json"
RESAMPLES = 2000
Trained = Literal["full", "warm", "kept"]


class Point(BaseModel):
    """How one policy's model did on one window, none of which it had seen.

    Attributes:
        seed: The replay.
        policy: The policy.
        step: The window, from 0.
        start_s: Where the window begins, UTC seconds.
        trained: What the policy did before it.
        age_days: Days from the model's newest train row to the window's end.
        impressions: Impressions of the window.
        clicks: Clicked ones.
        auc: Area under the ROC curve.
        gauc: The same within users.
        log_loss: Mean log loss.
        seconds: What the training took; 0 where none was due.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    policy: str
    step: int
    start_s: int
    trained: Trained
    age_days: float
    impressions: int
    clicks: int
    auc: float
    gauc: float
    log_loss: float
    seconds: float = 0.0


class Gain(BaseModel):
    """How much better a policy did than the one that trains least, window by window.

    Attributes:
        policy: The policy.
        against: The one it is compared with.
        metric: By what; a positive difference is always better.
        value: Mean difference over windows after the first, and over seeds.
        low: Lower end of the 95 % interval, from resampled windows.
        high: Its upper end.
        windows_better: Share of windows in which it was better.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: str
    against: str
    metric: str
    value: float
    low: float
    high: float
    windows_better: float


class BacktestResult(BaseModel):
    """A whole backtest.

    Attributes:
        name: Its name.
        facts: What reproduces it: settings, data, commit.
        metric: What it is about.
        policies: Their names, the one that trains least first.
        points: Everything measured.
        means: Policy → mean of each metric over windows after the first, and trainings, seconds.
        gains: Each policy beside the first, by every metric.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    facts: dict[str, str]
    metric: str
    policies: tuple[str, ...]
    points: tuple[Point, ...]
    means: dict[str, dict[str, float]]
    gains: tuple[Gain, ...]

    def over_time(self, policy: str, metric: str) -> list[float]:
        """Return a policy's mean over seeds, window by window."""
        return [float(v) for v in np.nanmean(_grid(self.points, policy, metric), axis=0)]


def summarise(
    name: str,
    facts: dict[str, str],
    metric: str,
    policies: dict[str, int | None],
    points: Iterable[Point],
) -> BacktestResult:
    """Return what the points say; windows are resampled, as days differ more than seeds."""
    found = tuple(sorted(points, key=lambda p: (p.seed, p.policy, p.step)))
    rare = sorted(policies, key=lambda policy: -(policies[policy] or np.inf))
    gains = [
        _gain(found, policy, rare[0], each)
        for policy in rare[1:]
        for each in ("auc", "gauc", "log_loss")
    ]
    return BacktestResult(
        name=name,
        facts=facts,
        metric=metric,
        policies=tuple(rare),
        points=found,
        means={policy: _means(found, policy) for policy in rare},
        gains=tuple(gain for gain in gains if gain is not None),
    )


def write_result(result: BacktestResult, folder: Path) -> None:
    """Write backtest.json and points.csv."""
    table = io.StringIO()
    rows = [point.model_dump() for point in result.points]
    writer = csv.DictWriter(table, list(Point.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / POINTS_FILE, table.getvalue())
    write_text(folder / RESULT_FILE, result.model_dump_json(indent=1) + "\n")


def _means(points: tuple[Point, ...], policy: str) -> dict[str, float]:
    own = [point for point in points if point.policy == policy]
    later = [point for point in own if point.step] or own
    figures = {
        metric: float(np.nanmean([getattr(point, metric) for point in later]))
        for metric in ("auc", "gauc", "log_loss")
    }
    seeds = len({point.seed for point in own})
    return figures | {
        "trainings": sum(point.trained != "kept" for point in own) / seeds,
        "seconds": round(sum(point.seconds for point in own) / seeds, 2),
        "age_days": round(float(np.mean([point.age_days for point in later])), 2),
    }


def _gain(points: tuple[Point, ...], policy: str, against: str, metric: str) -> Gain | None:
    """Return the paired difference over windows after the first, where all policies are equal."""
    sign = -1 if metric == "log_loss" else 1
    pairs = sign * (_grid(points, policy, metric) - _grid(points, against, metric))[:, 1:]
    windows = np.nanmean(pairs, axis=0) if pairs.size else np.empty(0)
    if not windows.size:
        return None
    drawn = np.random.default_rng(0).integers(0, len(windows), (RESAMPLES, len(windows)))
    low, high = np.percentile(windows[drawn].mean(axis=1), [2.5, 97.5])
    return Gain(
        policy=policy,
        against=against,
        metric=metric,
        value=float(windows.mean()),
        low=float(low),
        high=float(high),
        windows_better=float((windows > 0).mean()),
    )


def _grid(points: tuple[Point, ...], policy: str, metric: str) -> np.ndarray:
    """Return ``[seeds, windows]`` of a policy."""
    own = [point for point in points if point.policy == policy]
    seeds = sorted({point.seed for point in own})
    values = np.full((len(seeds), 1 + max(point.step for point in own)), np.nan)
    for point in own:
        values[seeds.index(point.seed), point.step] = getattr(point, metric)
    return values


def days_of(points: Iterable[Point]) -> list[int]:
    """Return the day of each window, from 1, counted from the first."""
    starts = sorted({point.start_s for point in points})
    return [1 + round((start - starts[0]) / DAY_S) for start in starts]
