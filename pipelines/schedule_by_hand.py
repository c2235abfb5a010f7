"""What a person does to an installed schedule: run it now, pause it, end what runs."""

import argparse
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime

from models.errors import ScheduleError
from pipelines.schedule_words import clock
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_daemon import daemon_pid, see_through
from steps.adapters.schedule_due import ask_for, claim_due
from steps.adapters.schedule_processes import log_file
from steps.adapters.schedule_records import Installed, Row
from steps.adapters.schedule_state import (
    change_run,
    change_schedule,
    changing,
    find,
    opened,
    runs,
    schedules,
)
from steps.adapters.schedule_times import zoned

Say = Callable[[str], object]
LATEST_S = 253_000_000_000.0  # in the year 9987: no calendar ends within a zone's offset of it


def run_now_action(arguments: argparse.Namespace, say: Say) -> int:
    """Run a schedule once and wait; 1 where it did not succeed."""
    with opened() as state:
        schedule = used(state, arguments.name)
        if arguments.due:
            waiting = _due(state, schedule, arguments.until)
        else:
            waiting = [_asked_for(state, schedule, arguments.at, arguments.until)]
    if not waiting:
        say(f"{schedule.name}: nothing is due.")
    return max((_see(row, say) for row in waiting), default=0)


def pause_action(arguments: argparse.Namespace, say: Say) -> int:
    """Let a schedule fire nothing; what runs goes on."""
    return _set_active(arguments.name, False, say)


def resume_action(arguments: argparse.Namespace, say: Say) -> int:
    """Let a schedule fire again; instants of the pause are not made up for."""
    return _set_active(arguments.name, True, say)


def cancel_action(arguments: argparse.Namespace, say: Say) -> int:
    """End the run that goes on, and what waits."""
    with opened() as state:
        going_on = runs(state, schedule=arguments.name, statuses=("running", "waiting"))
        if not going_on and find(state, arguments.name) is None:
            raise unknown(state, arguments.name)
        if not going_on:
            raise ScheduleError(
                f"No run of {arguments.name!r} goes on.",
                do=f"See what became of its runs: intentflow schedule history {arguments.name}",
            )
        for row in going_on:
            if row.status == "waiting":
                values = {"status": "skipped", "ended_at": time.time()}
                change_run(state, row, reason="Cancelled by hand.", **values)
            else:
                change_run(state, row, cancel="Cancelled by hand.")
    return max([_told_end(row, say, expected="failed") for row in going_on])


def used(state: sqlite3.Connection, name: str) -> Installed:
    """Return the installed schedule ``name``.

    Raises:
        ScheduleError: none is installed under this name.
    """
    schedule = find(state, name)
    if schedule is None:
        raise unknown(state, name)
    return schedule


def unknown(state: sqlite3.Connection, name: str) -> ScheduleError:
    """Return what to tell somebody who named a schedule that is not installed."""
    known = [found.name for found in schedules(state)]
    return ScheduleError(
        f"No schedule {name!r} is installed.",
        allowed=", ".join(known) or "none is installed yet",
        do=f"Name one of these, or install it first: intentflow schedule install {name}",
    )


def _due(state: sqlite3.Connection, schedule: Installed, until: str | None) -> list[Row]:
    """Record what is due, and return what is to run of it."""
    if until is not None:
        raise ScheduleError(
            "What is due runs on its own data.", where="--until", do="Leave out --due or --until."
        )
    if schedule.backend != "daemon":
        raise ScheduleError(
            f"The stack's orchestrator fires {schedule.name!r}, not this machine.",
            where="--due",
            do=f"Run it once by hand: intentflow schedule run-now {schedule.name}",
        )
    claimed = claim_due(state, time.time(), only=schedule.name)
    return [row for row in claimed if row.status == "waiting"]


def _asked_for(
    state: sqlite3.Connection, schedule: Installed, at: str | None, until: str | None
) -> Row:
    now = time.time()
    config = ScheduleConfig.model_validate(schedule.config)
    instant = now if at is None else _moment(at, config)
    if instant > now:
        raise ScheduleError(
            f"{at!r} is still to come.",
            where="--at",
            allowed=f"up to now, {clock(now, config)}",
            do="Let the schedule run it then, or leave out --at to run now.",
        )
    if until is None:
        return ask_for(state, schedule, instant)
    if config.window is None:
        raise ScheduleError(
            f"The schedule {schedule.name!r} gives its pipeline no window of data.",
            where="--until",
            do="Leave out --until, or give the schedule a window: and install it again.",
        )
    return ask_for(state, schedule, instant, zoned(_moment(until, config), config.zone).isoformat())


def _set_active(name: str, active: bool, say: Say) -> int:
    from steps.adapters.schedule_remote import set_active_remote
    from steps.adapters.schedule_zenml import set_active

    with opened() as state:
        schedule = used(state, name)
        if schedule.backend == "zenml":
            set_active_remote(name, schedule.zenml_id, active)
        resumed = {"seen_until": time.time()} if active and schedule.paused else {}
        with changing(state):
            change_schedule(state, schedule.name, paused=int(not active), **resumed)
    if schedule.backend == "daemon":
        set_active(schedule.zenml_id, active)
    say(f"{schedule.name}: {'fires again' if active else 'paused; what runs goes on'}.")
    return 0


def _see(row: Row, say: Say) -> int:
    """Wait for a run and return 1 where it does not succeed."""
    if row.status == "succeeded":
        say(f"{row.schedule}: {row.run} succeeded already, and is not run again.")
        return 0
    served = daemon_pid()
    say(f"{row.schedule}: waits for its turn{f' in the daemon {served}' if served else ''}.")
    return _told_end(row, say, expected="succeeded")


def _told_end(row: Row, say: Say, *, expected: str) -> int:
    """Print the end of a run when it comes; return 1 where it is not the expected one."""
    over = see_through((row.schedule, row.scheduled_at), say)
    what = f"{over.schedule}: {over.run or 'the run'} {over.status.replace('_', ' ')}."
    say(f"{what} {over.reason}".strip())
    if over.run and over.status != "succeeded":
        say(f"  log: {log_file(over.run)}")
    return int(over.status not in {expected, "skipped"})


def _moment(text: str, config: ScheduleConfig) -> float:
    """Return the seconds since 1970 of a time that a person wrote."""
    try:
        moment = config.moment(datetime.fromisoformat(text))
        if not 0 <= moment < LATEST_S:
            raise ValueError("no clock of ours shows it")
    except (ValueError, OverflowError):
        raise ScheduleError(
            f"{text!r} is no time.",
            allowed="2026-01-31T03:00, of the schedule's zone, or with a zone: …T03:00+01:00",
            do="Write it in one of these forms.",
        ) from None
    return moment
