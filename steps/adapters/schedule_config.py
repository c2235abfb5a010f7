"""What a file ``configs/schedules/<name>.yaml`` holds: what runs when, and what if it cannot."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from models.settings import Settings
from steps.adapters.notify import NotifyConfig
from steps.adapters.schedule_cron import check_cron

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SOURCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def seconds(value: object) -> object:
    """Return the seconds of a duration such as ``90``, ``15m`` or ``1h30m``.

    Raises:
        ValueError: it is no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", value) if isinstance(value, str) else []
    if not isinstance(value, str) or not parts or "".join(map("".join, parts)) != _dense(value):
        raise ValueError("a duration is seconds, or a number and a unit of s, m, h, d, w: 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
LongDuration = Annotated[float, BeforeValidator(seconds), Field(ge=1)]


class WindowRule(Settings):
    """Which data a run may see: everything until an instant that follows from the schedule's.

    A repeated run of one instant therefore sees the same data as the first.

    Attributes:
        lag: How long late events are waited for: the window ends that long before the instant.
        floor: What its end is rounded down to, in the schedule's zone, after ``lag``.
        parameters: Handed to the pipeline as its parameter ``window``.
    """

    lag: Duration = 0.0
    floor: Literal["none", "hour", "day"] = "none"
    parameters: dict[str, Any] | None = None


class MisfirePolicy(Settings):
    """What becomes of instants at which nobody was there to fire them.

    Attributes:
        policy: ``latest`` makes up for the last one, ``all`` for each one in turn, ``skip`` for
            none. What is not made up for stands in the history as missed.
        grace: An instant noticed this late is not missed: it simply runs.
        limit: ``all`` makes up for at most so many, the newest.
    """

    policy: Literal["latest", "all", "skip"] = "latest"
    grace: Duration = 300.0
    limit: Annotated[int, Field(ge=1, le=1000)] = 30


class RetryPolicy(Settings):
    """What a failed run does.

    Attributes:
        count: Attempts after the first.
        first: How long to wait before the second attempt.
        factor: What each further wait is multiplied by.
        ceiling: The longest wait.
    """

    count: Annotated[int, Field(ge=0, le=100)] = 0
    first: Duration = 60.0
    factor: Annotated[float, Field(ge=1, le=100)] = 2.0
    ceiling: Duration = 3600.0

    def wait_s(self, attempt: int) -> float:
        """Return the seconds between the failed ``attempt``, from 1, and the next one."""
        growth = self.factor ** min(attempt - 1, 64)
        return min(self.first * growth, self.ceiling)


class ScheduleConfig(Settings):
    """A schedule; docs/how-to/schedule-retraining.md explains every key.

    Attributes:
        pipeline: ``x`` runs ``pipelines.x.x``; a dotted path names a pipeline elsewhere.
        config: A file of ``configs/pipelines``, or the path of one.
        cron: Minute, hour, day, month and weekday, read in ``zone``; or
        interval: how long it is from one run to the next.
        zone: The time zone of ``cron`` and of ``window.floor``.
        start: Nothing is due before; the first instant of an interval.
        end: Nothing is due after.
        window: What data a run may see; null hands the pipeline no ``until`` and no ``window``.
        misfire: What becomes of instants that nobody fired.
        overlap: What happens where a run is due and the one before still runs: ``skip`` leaves the
            new one out, ``wait`` lets it wait, ``replace`` ends the one that runs.
        retries: What a failed run does.
        timeout: After this long an attempt is ended, with every process it started.
        notify: Who is told of what.
    """

    pipeline: str
    config: str
    cron: str | None = None
    interval: LongDuration | None = None
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    window: WindowRule | None = None
    misfire: MisfirePolicy = MisfirePolicy()
    overlap: Literal["skip", "wait", "replace"] = "skip"
    retries: RetryPolicy = RetryPolicy()
    timeout: LongDuration = 86_400.0
    notify: Annotated[tuple[NotifyConfig, ...], BeforeValidator(lambda v: _many(v))] = ()

    @field_validator("pipeline")
    @classmethod
    def _can_name_a_pipeline(cls, pipeline: str) -> str:
        if not SOURCE.fullmatch(pipeline):
            raise ValueError("a name such as retraining, or a dotted path to a pipeline")
        return pipeline

    @field_validator("cron")
    @classmethod
    def _can_come(cls, cron: str | None) -> str | None:
        return None if cron is None else check_cron(cron)

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("a time zone is named like UTC or Europe/Berlin") from None
        return zone

    @model_validator(mode="after")
    def _is_due_some_time(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("a schedule has either cron or interval, and not both")
        if self.start and self.end and self.moment(self.start) >= self.moment(self.end):
            raise ValueError("end must come after start")
        return self

    @property
    def source(self) -> str:
        """What `zenml pipeline run` is asked for."""
        return (
            self.pipeline if "." in self.pipeline else f"pipelines.{self.pipeline}.{self.pipeline}"
        )

    def moment(self, time: datetime) -> float:
        """Return the seconds since 1970 of ``time``, which is of the zone unless it names one."""
        aware = time if time.tzinfo else time.replace(tzinfo=ZoneInfo(self.zone))
        return aware.timestamp()


def _many(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _dense(text: str) -> str:
    return re.sub(r"\s", "", text)
