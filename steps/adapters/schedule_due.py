"""Which instants are due, and what becomes of each: the policies for misfire and overlap."""

import sqlite3
from dataclasses import dataclass

from models.errors import ScheduleError
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_records import Installed, Row, Status
from steps.adapters.schedule_state import (
    add_run,
    change_run,
    change_schedule,
    changing,
    find,
    run_at,
    runs,
    schedules,
)
from steps.adapters.schedule_times import instants, next_instant, stamp, window_end

KEPT_MISSES = 100  # entries of the history that one long absence leaves
MOST_INSTANTS = 100_000  # of an interval, looked at after an absence
MADE_UP = "Made up for: nobody fired it."


@dataclass(frozen=True)
class Decision:
    """What becomes of one instant, and why."""

    instant: float
    status: Status
    reason: str = ""


def claim_due(state: sqlite3.Connection, now: float, only: str | None = None) -> list[Row]:
    """Record every instant up to ``now`` once, and return those recorded.

    Args:
        state: The state; what happens to one schedule is one change of it.
        now: Seconds since 1970.
        only: Only of this schedule.
    """
    claimed: list[Row] = []
    for schedule in schedules(state):
        if schedule.backend == "daemon" and only in {None, schedule.name}:
            with changing(state):
                claimed += _claim(state, schedule.name, now)
    return claimed


def decide(config: ScheduleConfig, due: list[float], now: float, *, busy: bool) -> list[Decision]:
    """Return what becomes of the instants ``due``, oldest first.

    Args:
        config: The schedule, with its policies.
        due: Instants not dealt with yet.
        now: Seconds since 1970.
        busy: Whether a run of the schedule goes on or waits.
    """
    policy = config.misfire
    late = [instant for instant in due if now - instant > policy.grace]
    fresh = due[len(late) :]
    kept: list[float] = []
    if policy.policy == "all":
        kept = late[-policy.limit :]
    elif policy.policy == "latest" and not fresh:
        kept = late[-1:]
    decisions = _missed(late[: len(late) - len(kept)])
    if policy.policy == "all":  # made up for in turn, whatever overlaps
        decisions += [Decision(instant, "waiting", MADE_UP) for instant in kept]
        return decisions + _arrive(config, fresh, "", busy=busy or bool(kept))
    return decisions + _arrive(config, [*kept, *fresh], MADE_UP if kept else "", busy=busy)


def upcoming(schedule: Installed) -> float | None:
    """Return the next instant that was not dealt with; ``None`` where none comes any more."""
    config = ScheduleConfig.model_validate(schedule.config)
    return next_instant(config, schedule.seen_until, schedule.installed_at)


def ask_for(
    state: sqlite3.Connection, schedule: Installed, instant: float, until: str | None = None
) -> Row:
    """Record a run that a person asked for, which then waits for its turn, and return it.

    What stands under ``instant`` and did not succeed is run again under the same entry, as its next
    attempt. A run of a schedule that the stack's orchestrator fires is not linked to it: that
    orchestrator would take the link for another schedule to fire.
    """
    config = ScheduleConfig.model_validate(schedule.config)
    values = {
        "config": schedule.config,
        "zenml_id": schedule.zenml_id if schedule.backend == "daemon" else None,
        "until": until or window_end(config, instant),
        "manual": 1,
        "reason": "Asked for by hand.",
    }
    with changing(state):
        if not add_run(state, schedule.name, instant, "waiting", **values):
            row = _recorded(state, schedule.name, instant)
            if row.status in {"failed", "timed_out", "skipped", "missed"}:
                fresh = {"status": "waiting", "started_at": None, "ended_at": None}
                change_run(state, row, **fresh, **values)
        return _recorded(state, schedule.name, instant)


def _claim(state: sqlite3.Connection, name: str, now: float) -> list[Row]:
    """Deal with one schedule; read anew inside the change: a person may have paused it."""
    schedule = find(state, name)
    if schedule is None or schedule.paused:
        return []
    config = ScheduleConfig.model_validate(schedule.config)
    after = schedule.seen_until
    if config.interval is not None:
        after = max(after, now - MOST_INSTANTS * config.interval)
    due = list(instants(config, after, now, schedule.installed_at))
    if not due:
        return []
    change_schedule(state, name, seen_until=due[-1])
    going_on = runs(state, schedule=name, statuses=("waiting", "running"))
    decisions = decide(config, due, now, busy=bool(going_on))
    if config.overlap == "replace" and decisions[-1].status == "waiting":
        _give_way(state, going_on, decisions[-1].instant)
    for decision in decisions:
        add_run(
            state, name, decision.instant, decision.status,
            config=schedule.config, zenml_id=schedule.zenml_id, reason=decision.reason,
            until=window_end(config, decision.instant),
        )  # fmt: skip
    return [_recorded(state, name, decision.instant) for decision in decisions]


def _arrive(
    config: ScheduleConfig, arriving: list[float], reason: str, *, busy: bool
) -> list[Decision]:
    """Return what becomes of instants that run now unless another run stands in their way."""
    if config.overlap == "replace":
        gone = [Decision(i, "skipped", "The run after it took its place.") for i in arriving[:-1]]
        return gone + [Decision(instant, "waiting", reason) for instant in arriving[-1:]]
    if config.overlap == "wait":
        return [Decision(instant, "waiting", reason) for instant in arriving]
    if busy:
        return [Decision(i, "skipped", "The run before it still went on.") for i in arriving]
    passed = [Decision(i, "skipped", "A newer one was due as well.") for i in arriving[:-1]]
    return passed + [Decision(instant, "waiting", reason) for instant in arriving[-1:]]


def _give_way(state: sqlite3.Connection, going_on: list[Row], instant: float) -> None:
    """Let what waits be left out, and what runs be ended, for the run of ``instant``."""
    why = f"The run of {stamp(instant)} took its place."
    for row in going_on:
        if row.status == "waiting":
            change_run(state, row, status="skipped", reason=why)
        else:
            change_run(state, row, cancel=why)


def _recorded(state: sqlite3.Connection, name: str, instant: float) -> Row:
    row = run_at(state, name, instant)
    if row is None:
        raise ScheduleError(f"The run of {name!r} at {stamp(instant)} is not recorded any more.")
    return row


def _missed(late: list[float]) -> list[Decision]:
    """Return the entries for what nobody fired: the newest, the oldest of them tells how many."""
    kept = late[-KEPT_MISSES:]
    forgotten = len(late) - len(kept)
    reason = "Nobody was there to fire it."
    decisions = [Decision(instant, "missed", reason) for instant in kept]
    if forgotten:
        more = f"{reason} So it was with {forgotten} instants before it."
        decisions[0] = Decision(kept[0], "missed", more)
    return decisions
