"""When requests happen: weekly and daily waves of traffic."""

import numpy as np

from models.data.datasets.simulator.settings import SimulatorSettings

START_S = 1_704_067_200  # first second with impressions: 2024-01-01 00:00 UTC, a Monday
HOUR_S = 3600
DAY_S = 24 * HOUR_S
_WEEK = np.array([0.85, 0.8, 0.8, 0.9, 1.05, 1.3, 1.3])  # Monday … Sunday, mean 1
_HOURS = np.array([4, 2, 1, 1, 1, 2, 5, 9, 11, 11, 12, 14, 16, 14, 12, 12, 13, 16, 20, 24, 26, 24, 16, 9])  # fmt: skip # noqa: E501


def traffic_shares(settings: SimulatorSettings) -> np.ndarray:
    """Return the share of the requests in each hour of the log, shape ``[days · 24]``."""
    waves = settings.seasonality
    week = 1 + waves.weekly * (_WEEK[np.arange(settings.days) % 7] - 1)
    hours = 1 + waves.daily * (_HOURS / _HOURS.mean() - 1)
    share = np.outer(week, hours).ravel()
    return share / share.sum()


def request_times(settings: SimulatorSettings, generator: np.random.Generator) -> np.ndarray:
    """Return the ascending times of the requests, seconds UTC."""
    per_hour = generator.multinomial(settings.requests, traffic_shares(settings))
    hour = np.repeat(np.arange(len(per_hour)), per_hour)
    second = generator.integers(0, HOUR_S, settings.requests)
    return np.sort(START_S + hour * HOUR_S + second)
