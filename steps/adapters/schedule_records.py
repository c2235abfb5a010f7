"""What the scheduler keeps of a schedule and of a run. Times are seconds since 1970, UTC."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["waiting", "running", "succeeded", "failed", "timed_out", "skipped", "missed"]
Backend = Literal["daemon", "zenml"]


class Installed(BaseModel):
    """A schedule that was installed.

    Attributes:
        name: Its name.
        config: Its settings as they were when it was installed.
        source: The file they came from.
        backend: Who fires it: our ``daemon``, or the orchestrator of ZenML's stack.
        zenml_id: The schedule in ZenML.
        installed_at: When.
        seen_until: Every instant up to this one was dealt with.
        paused: Whether it fires nothing for now.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    config: dict[str, Any]
    source: str
    backend: Backend
    zenml_id: str | None
    installed_at: float
    seen_until: float
    paused: bool


class Row(BaseModel):
    """A run under the instant it was scheduled for.

    Attributes:
        schedule: The schedule's name.
        scheduled_at: The instant.
        status: Where it stands; ``waiting`` is before its first attempt.
        attempt: The attempt that goes on or was the last, from 1.
        config: The schedule's settings when it became due.
        zenml_id: The schedule in ZenML.
        until: The end of its data window, ISO.
        manual: Whether a person asked for it.
        started_at: When the first attempt began.
        ended_at: When it was over.
        attempt_started_at: When the last attempt began.
        retry_at: When the next attempt begins, between two attempts.
        run: The run's name in ZenML.
        reason: Why it stands where it stands.
        token: What its process must hold to begin.
        pid: Its process, once that has begun.
        pid_started: When that process began: a later one may bear the same number.
        outcome: What its process said last: ``succeeded``, ``failed`` or ``skipped``.
        cancel: Why it is to be ended, once somebody wants that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str
    scheduled_at: float
    status: Status
    attempt: int
    config: dict[str, Any]
    zenml_id: str | None
    until: str | None
    manual: bool
    started_at: float | None
    ended_at: float | None
    attempt_started_at: float | None
    retry_at: float | None
    run: str | None
    reason: str
    token: str | None
    pid: int | None
    pid_started: float | None
    outcome: str | None
    cancel: str | None
