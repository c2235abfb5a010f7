"""The history of scheduled runs: one entry for each instant a schedule was due."""

from datetime import UTC, datetime
from typing import Literal, cast, get_args

from pydantic import BaseModel, ConfigDict

from steps.adapters.schedule_records import Row
from steps.adapters.schedule_state import FILE, opened, runs, schedules_folder

RunStatus = Literal["succeeded", "failed", "skipped", "missed", "timed_out", "running"]


class ScheduleRun(BaseModel):
    """What became of one scheduled instant.

    Attributes:
        schedule: The schedule's name.
        scheduled_at: The instant it was due, UTC; what a manual run was asked for at.
        started_at: When its first attempt began; ``None`` where it never began.
        ended_at: When it was over.
        status: What became of it. ``missed``: nobody was there to fire it, and the misfire policy
            did not make up for it. ``skipped``: left out on purpose, the reason says why.
        attempt: The last attempt, from 1; 0 where it never began.
        run: The name of its last run in ZenML.
        reason: A sentence where there is something to say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str
    scheduled_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    status: RunStatus
    attempt: int
    run: str | None
    reason: str


def read_schedule_history(
    schedule: str | None = None, *, limit: int | None = None
) -> list[ScheduleRun]:
    """Return what became of the scheduled instants, the newest first; nothing before the first.

    Args:
        schedule: Only of this schedule.
        limit: At most so many.

    Raises:
        ScheduleError: the state is damaged.
    """
    if not (schedules_folder() / FILE).is_file():
        return []
    with opened() as state:
        found = runs(state, schedule=schedule, statuses=get_args(RunStatus), limit=limit)
    return [schedule_run(row) for row in found]


def schedule_run(row: Row) -> ScheduleRun:
    """Return a recorded run, which no longer waits, as the history tells it."""
    return ScheduleRun(
        schedule=row.schedule,
        scheduled_at=datetime.fromtimestamp(row.scheduled_at, UTC),
        started_at=_moment(row.started_at),
        ended_at=_moment(row.ended_at),
        status=cast("RunStatus", row.status),
        attempt=row.attempt,
        run=row.run,
        reason=row.reason,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
