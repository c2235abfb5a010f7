"""What the points of a backtest say together, and the files that hold both."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from models.files import write_text
from models.reports.backtest_results import BacktestResult, Gain, Point, by_seed_and_window

POINTS_FILE, RESULT_FILE = "points.csv", "backtest.json"
RESAMPLES = 2000


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
    pairs = (
        sign
        * (
            by_seed_and_window(points, policy, metric) - by_seed_and_window(points, against, metric)
        )[:, 1:]
    )
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
