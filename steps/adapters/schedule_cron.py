"""Cron on the clock of a time zone, through croniter.

Where the clock jumps forward, what would have been due in the hour that never came is due as much
later; where it goes back, what names its hour is due once, at the first of the two, and what comes
every hour (``*``) comes in both.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

NEAR = timedelta(hours=3)  # no clock of today is put back by more
FIELDS = ("minute", "hour", "day of the month", "month", "weekday")


def check_cron(cron: str) -> str:
    """Return ``cron``, blanks made one; raise `ValueError` for what it cannot mean."""
    fields = cron.split()
    if len(fields) == 1 and fields[0].startswith("@"):
        raise ValueError("write the five fields: '0 3 * * *' instead of '@daily'")
    if len(fields) != len(FIELDS):
        raise ValueError(f"cron has {len(FIELDS)} fields, {', '.join(FIELDS)}; here: {len(fields)}")
    if re.search(r"(^|[^A-Za-z])[RrHh]([^A-Za-z]|$)", cron):
        raise ValueError("R and H draw a time at random; name it, so that it stays")
    told = " ".join(fields)
    try:
        croniter(told, datetime(2024, 1, 1)).get_next(datetime)
    except CroniterBadDateError:
        raise ValueError("no such day ever comes") from None
    except CroniterError as error:
        raise ValueError(str(error)) from None
    return told


def cron_values(cron: str) -> list[list[int] | None]:
    """Return the values of each field, ``None`` for every one.

    Raises:
        ValueError: ``cron`` names days that only croniter knows.
    """
    fields, nth = croniter.expand(cron)
    if nth or any("l" in field for field in fields):
        raise ValueError("the last day of a month, or the second Friday, can only be fired here")
    return [None if "*" in field else [int(value) for value in field] for field in fields]


def next_cron(cron: str, zone: ZoneInfo, after: float) -> float | None:
    """Return the first instant after ``after``, both seconds since 1970, that ``cron`` names."""
    here = datetime.fromtimestamp(after, zone)
    begin = here.replace(tzinfo=None) - (NEAR if _changes_near(here) else timedelta(0))
    every_hour = cron.split()[1].startswith("*")
    clock = croniter(cron, begin)
    best: float | None = None
    while True:
        try:
            time: datetime = clock.get_next(datetime)
        except CroniterBadDateError:
            return best
        found = _moments(time, zone, every_hour)
        best = min((due for due in (best, *found) if due is not None and due > after), default=None)
        if best is not None and not _later_may_precede(found[0], best, zone):
            return best


def _moments(time: datetime, zone: ZoneInfo, every_hour: bool) -> list[float]:
    """Return the instants at which clocks in ``zone`` show ``time``: one, or two in autumn."""
    first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, behind = first.utcoffset(), second.utcoffset()
    twice = every_hour and before is not None and behind is not None and before > behind
    return [first.timestamp(), second.timestamp()] if twice else [first.timestamp()]


def _later_may_precede(newest: float, best: float, zone: ZoneInfo) -> bool:
    """Tell whether a later time on the clock may be an earlier instant than ``best``."""
    near = _changes_near(datetime.fromtimestamp(newest, zone))
    return near and newest - NEAR.total_seconds() <= best


def _changes_near(time: datetime) -> bool:
    around = {(time.astimezone(UTC) + shift).astimezone(time.tzinfo).utcoffset()
              for shift in (-NEAR, timedelta(0), NEAR)}  # fmt: skip
    return len(around) > 1
