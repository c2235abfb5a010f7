"""What `intentflow schedule` does, an action a function: arguments and a printer to exit code."""

import argparse
import json
import math
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime

from models.errors import ScheduleError
from models.files import write_text
from pipelines.schedule_plan import plan_schedule, schedule_files
from pipelines.schedule_words import clock, listed, rule, table, told
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_daemon import daemon_pid, keep, see_through, serve, stop_daemon
from steps.adapters.schedule_due import ask_for, claim_due, upcoming
from steps.adapters.schedule_export import (
    crontab_daemon,
    crontab_lines,
    systemd_daemon,
    systemd_units,
)
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.schedule_processes import log_file, start_module
from steps.adapters.schedule_records import Installed, Row
from steps.adapters.schedule_state import (
    change_run,
    change_schedule,
    changing,
    find,
    install,
    opened,
    runs,
    schedules,
    schedules_folder,
    uninstall,
)
from steps.adapters.schedule_times import instants, zoned
from steps.adapters.workspace import project_root

Say = Callable[[str], object]
NO_DAEMON = "No daemon fires them: intentflow schedule daemon"


def check_action(arguments: argparse.Namespace, say: Say) -> int:
    """Check a schedule with all that it names, and print its next five instants."""
    name, _, config = plan_schedule(arguments.name)
    now = time.time()
    found = instants(config, now, now + 10 * 366 * 86_400, now)
    due = [clock(instant, config) for instant, _ in zip(found, range(5), strict=False)]
    say(f"{name}: good. {rule(config)} runs {config.pipeline} with {config.config}. Next:")
    for moment in due or ["never"]:
        say(f"  {moment}")
    return 0


def install_action(arguments: argparse.Namespace, say: Say) -> int:
    """Install the schedules named, or all: every one is checked before the first is installed."""
    planned = [plan_schedule(name) for name in arguments.names or schedule_files()]
    if not planned:
        raise ScheduleError("There is no schedule.", do="Write one: configs/schedules/NAME.yaml")
    from steps.adapters.schedule_remote import check_remote, left_to_the_orchestrator, submit
    from steps.adapters.schedule_zenml import backend, ensure_schedule

    fires = backend()
    if fires == "zenml":
        for name, _, config in planned:
            check_remote(name, config)
    for name, path, config in planned:
        with opened() as state:
            known = find(state, name)
        if fires == "zenml":
            zenml_id = submit(name, config)
            left = left_to_the_orchestrator(config)
            if left:
                say(f"{name}: the stack's orchestrator fires it, which knows no {', '.join(left)}.")
        else:
            zenml_id = ensure_schedule(name, config, known.zenml_id if known else None)
        now = time.time()
        with opened() as state, changing(state):
            install(
                state, name, config.model_dump(mode="json"), source=str(path), backend=fires,
                zenml_id=zenml_id, now=math.floor(now), seen_until=_seen(known, config, now),
            )  # fmt: skip
            schedule = find(state, name)
        due = upcoming(schedule) if schedule else None
        say(f"{name}: installed, next {clock(due, config) if due else 'never'}.")
    if fires == "daemon" and daemon_pid() is None:
        say(NO_DAEMON)
    return 0


def list_action(arguments: argparse.Namespace, say: Say) -> int:
    """Print every installed schedule with its state and next instant."""
    with opened() as state:
        found = [(schedule, runs(state, schedule=schedule.name)) for schedule in schedules(state)]
    if arguments.json:
        say(json.dumps([listed(*entry) for entry in found], indent=2))
        return 0
    lines = [("SCHEDULE", "RUNS", "WHEN", "NEXT", "LAST", "FIRED BY")]
    for entry in found:
        facts = listed(*entry)
        due = "paused" if facts["paused"] else facts["next"] or "never"
        pipeline = f"{facts['pipeline']} {facts['config']}"
        cells = (facts["name"], pipeline, facts["when"], due, facts["last"], facts["backend"])
        lines.append(cells)
    say(table(lines) if found else "No schedule is installed: intentflow schedule install")
    if any(entry[0].backend == "daemon" for entry in found) and daemon_pid() is None:
        say(NO_DAEMON)
    return 0


def run_now_action(arguments: argparse.Namespace, say: Say) -> int:
    """Run a schedule once and wait; 1 where it did not succeed."""
    now = time.time()
    with opened() as state:
        schedule = _installed(state, arguments.name)
        if arguments.due:
            claimed = claim_due(state, now, only=schedule.name)
            waiting = [row for row in claimed if row.status == "waiting"]
        else:
            instant = _moment(arguments.at, schedule) if arguments.at else now
            until = None
            if arguments.until:
                until = zoned(_moment(arguments.until, schedule), _config(schedule).zone)
            waiting = [ask_for(state, schedule, instant, until.isoformat() if until else None)]
    if not waiting:
        say(f"{schedule.name}: nothing is due.")
    return max((_wait_for(row, say) for row in waiting), default=0)


def pause_action(arguments: argparse.Namespace, say: Say) -> int:
    """Let a schedule fire nothing; what runs goes on."""
    return _set_active(arguments.name, False, say)


def resume_action(arguments: argparse.Namespace, say: Say) -> int:
    """Let a schedule fire again; instants of the pause are not made up for."""
    return _set_active(arguments.name, True, say)


def remove_action(arguments: argparse.Namespace, say: Say) -> int:
    """Forget a schedule, here and in ZenML."""
    from steps.adapters.schedule_remote import forget_remote
    from steps.adapters.schedule_zenml import forget

    with opened() as state:
        schedule = _installed(state, arguments.name)
        with changing(state):
            uninstall(state, schedule.name)
    (forget if schedule.backend == "daemon" else forget_remote)(schedule.zenml_id)
    say(f"{schedule.name}: removed. Its history stays.")
    return 0


def cancel_action(arguments: argparse.Namespace, say: Say) -> int:
    """End the run that goes on, and what waits."""
    with opened() as state:
        going_on = runs(state, schedule=arguments.name, statuses=("running", "waiting"))
        if not going_on:
            raise ScheduleError(
                f"No run of {arguments.name!r} goes on.",
                do="See what runs: intentflow schedule history",
            )
        for row in going_on:
            if row.status == "waiting":
                change_run(state, row, status="skipped", reason="Cancelled by hand.")
            else:
                change_run(state, row, cancel="Cancelled by hand.")
    return max(_wait_for(row, say, expected="failed") for row in going_on)


def history_action(arguments: argparse.Namespace, say: Say) -> int:
    """Print what became of each instant, the newest first."""
    entries = read_schedule_history(arguments.name, limit=arguments.limit)
    with opened() as state:
        remote = [s for s in schedules(state) if s.backend == "zenml"]
    if remote:
        from steps.adapters.schedule_remote import remote_runs

        wanted = [s for s in remote if arguments.name in {None, s.name}]
        entries += [entry for schedule in wanted for entry in remote_runs(schedule)]
        entries = sorted(entries, key=lambda entry: entry.scheduled_at, reverse=True)
    entries = entries[: arguments.limit]
    if arguments.json:
        say(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2))
        return 0
    lines = [("DUE (UTC)", "SCHEDULE", "BECAME", "TRY", "TOOK", "RUN", "WHY")]
    say(table([*lines, *map(told, entries)]) if entries else "Nothing was due yet.")
    return 0


def daemon_action(arguments: argparse.Namespace, say: Say) -> int:
    """Fire what is due."""
    if arguments.stop:
        pid = stop_daemon()
        say("No daemon serves." if pid is None else f"The daemon {pid} ended. What runs goes on.")
        return 0
    if arguments.unsupervised:
        serve(say)
        return 0
    if not arguments.background:
        return keep(say)
    log = schedules_folder() / "daemon.log"
    keeper = start_module("pipelines", ["schedule", "daemon"], log, project_root(), {})
    while daemon_pid() is None:
        if keeper.poll() is not None:
            raise ScheduleError("The daemon ended at once.", where=str(log), do="See why: the log.")
        time.sleep(0.1)
    say(f"The daemon {daemon_pid()} serves. It writes to {log}.")
    return 0


def export_action(arguments: argparse.Namespace, say: Say) -> int:
    """Print or write the units, or print the lines of a crontab."""
    if arguments.name:
        name, _, config = plan_schedule(arguments.name)
        units = systemd_units(name, config) if arguments.to == "systemd" else {}
        lines = crontab_lines(name, config) if arguments.to == "crontab" else ""
    else:
        units, lines = systemd_daemon(), crontab_daemon()
    if arguments.to == "crontab":
        say(lines.rstrip())
    for file, text in units.items() if arguments.to == "systemd" else ():
        if arguments.into:
            write_text(arguments.into / file, text)
            say(str(arguments.into / file))
        else:
            say(f"# {file}\n{text}")
    return 0


def _set_active(name: str, active: bool, say: Say) -> int:
    from steps.adapters.schedule_remote import set_active_remote
    from steps.adapters.schedule_zenml import set_active

    with opened() as state:
        schedule = _installed(state, name)
        resumed = {"seen_until": time.time()} if active and schedule.paused else {}
        with changing(state):
            change_schedule(state, schedule.name, paused=int(not active), **resumed)
    if schedule.backend == "daemon":
        set_active(schedule.zenml_id, active)
    else:
        set_active_remote(schedule.zenml_id, active)
    say(f"{schedule.name}: {'fires again' if active else 'paused; what runs goes on'}.")
    return 0


def _wait_for(row: Row, say: Say, expected: str = "succeeded") -> int:
    """Print the end of a run and return 1 where it is not the expected one."""
    key = (row.schedule, row.scheduled_at)
    served = daemon_pid()
    say(f"{row.schedule}: waits for its turn{f' in the daemon {served}' if served else ''}.")
    over = see_through(key, say)
    say(f"{over.schedule}: {over.run or 'the run'} {over.status.replace('_', ' ')}. {over.reason}")
    if over.run and over.status != "succeeded":
        say(f"  log: {log_file(over.run)}")
    return int(over.status not in {expected, "skipped"})


def _installed(state: sqlite3.Connection, name: str) -> Installed:
    schedule = find(state, name)
    if schedule is None:
        known = [found.name for found in schedules(state)]
        raise ScheduleError(
            f"No schedule {name!r} is installed.",
            allowed=", ".join(known) or "none is installed yet",
            do=f"Name one of these, or install it first: intentflow schedule install {name}",
        )
    return schedule


def _moment(text: str, schedule: Installed) -> float:
    try:
        return _config(schedule).moment(datetime.fromisoformat(text))
    except ValueError:
        raise ScheduleError(
            f"{text!r} is no time.",
            allowed="2026-01-31T03:00, of the schedule's zone, or with a zone: …T03:00+01:00",
            do="Write it in one of these forms.",
        ) from None


def _config(schedule: Installed) -> ScheduleConfig:
    return ScheduleConfig.model_validate(schedule.config)


def _seen(known: Installed | None, config: ScheduleConfig, now: float) -> float:
    """Return up to when instants were dealt with: a new install repeats and forgets none."""
    if known is None or known.backend != "daemon":
        return now
    before = _config(known)
    times = ("cron", "interval", "zone", "start", "end")
    same = all(getattr(before, key) == getattr(config, key) for key in times)
    return known.seen_until if same else now
