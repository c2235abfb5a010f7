"""What a backtest found, JSON-able: one point a seed, policy and window, and their summary.

Its page and the commands read this; `models.assessment.backtest_summary` makes it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from models.data.watermark import DAY_S

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
        return [
            float(v) for v in np.nanmean(by_seed_and_window(self.points, policy, metric), axis=0)
        ]


def by_seed_and_window(
    points: Sequence[Point], policy: str, metric: str
) -> Float[np.ndarray, "S W"]:
    """Return a policy's metric by replay and window; nan where a replay has no such window."""
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
