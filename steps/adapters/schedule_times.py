"""When a schedule is due: instants, seconds since 1970, and the data windows that end there.

A rule is cron on the clock of the schedule's zone, or an interval from a first instant on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_cron import next_cron


def next_instant(config: ScheduleConfig, after: float, anchor: float) -> float | None:
    """Return the first instant after ``after``; ``None`` where none comes any more.

    Args:
        config: The schedule.
        after: Seconds since 1970.
        anchor: The first instant of an interval whose schedule has no ``start``.
    """
    if config.start is not None:
        after = max(after, config.moment(config.start) - 1e-6)
    if config.interval is not None:
        first = config.moment(config.start) if config.start else anchor
        due = _next_multiple(first, config.interval, after)
    else:
        due = next_cron(config.cron or "", ZoneInfo(config.zone), after)
    if due is not None and config.end is not None and due > config.moment(config.end):
        return None
    return due


def instants(config: ScheduleConfig, after: float, until: float, anchor: float) -> Iterator[float]:
    """Yield the instants after ``after`` up to and with ``until``."""

    def ahead() -> Iterator[float]:
        due = next_instant(config, after, anchor)
        while due is not None:
            yield due
            due = next_instant(config, due, anchor)

    return takewhile(lambda due: due <= until, ahead())


def window_end(config: ScheduleConfig, instant: float) -> str | None:
    """Return the end of the data window of a run due at ``instant``, ISO; ``None`` without one."""
    if config.window is None:
        return None
    end = datetime.fromtimestamp(instant - config.window.lag, ZoneInfo(config.zone))
    if config.window.floor == "day":
        end = end.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    elif config.window.floor == "hour":
        end = end.replace(minute=0, second=0, microsecond=0)
    return end.isoformat()


def zoned(instant: float, zone: str) -> datetime:
    """Return ``instant`` on the clock of ``zone``."""
    return datetime.fromtimestamp(instant, ZoneInfo(zone))


def stamp(instant: float) -> str:
    """Return ``instant`` as run names and file names tell it, UTC: 20260131T030000Z."""
    moment = datetime.fromtimestamp(instant, UTC)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment:%Y%m%dT%H%M%S}{fraction}Z"


def _next_multiple(first: float, step: float, after: float) -> float:
    if after < first:
        return first
    return first + (int((after - first) // step) + 1) * step
