"""What `intentflow schedule` does, an action a function: arguments and a printer to exit code."""

import argparse
import json
import math
import time
from collections.abc import Callable

from models.errors import ScheduleError
from models.files import write_text
from pipelines.schedule_by_hand import unknown, used
from pipelines.schedule_plan import plan_schedule, schedule_files
from pipelines.schedule_words import clock, listed, rule, table, told
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_daemon import daemon_pid, keep, serve, stop_daemon
from steps.adapters.schedule_due import upcoming
from steps.adapters.schedule_export import (
    crontab_daemon,
    crontab_lines,
    systemd_daemon,
    systemd_units,
)
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.schedule_processes import start_module
from steps.adapters.schedule_records import Backend, Installed
from steps.adapters.schedule_state import (
    changing,
    find,
    install,
    opened,
    runs,
    schedules,
    schedules_folder,
    uninstall,
)
from steps.adapters.schedule_times import instants
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
    from steps.adapters.schedule_remote import check_remote
    from steps.adapters.schedule_zenml import backend

    fires = backend()
    if fires == "zenml":
        for name, _, config in planned:
            check_remote(name, config)
    for name, path, config in planned:
        with opened() as state:
            known = find(state, name)
        zenml_id = _hand_over(name, config, known, fires, say)
        now = time.time()
        with opened() as state, changing(state):
            install(
                state, name, config.model_dump(mode="json"), source=str(path), backend=fires,
                zenml_id=zenml_id, now=math.floor(now), seen_until=_seen(known, config, now),
            )  # fmt: skip
            schedule = find(state, name)
        due = upcoming(schedule) if schedule else None
        paused = " It is paused still." if schedule and schedule.paused else ""
        say(f"{name}: installed, next {clock(due, config) if due else 'never'}.{paused}")
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


def remove_action(arguments: argparse.Namespace, say: Say) -> int:
    """Forget a schedule, here and in ZenML."""
    from steps.adapters.schedule_remote import forget_remote
    from steps.adapters.schedule_zenml import forget

    with opened() as state:
        schedule = used(state, arguments.name)
        with changing(state):
            uninstall(state, schedule.name)
    if schedule.backend == "daemon":
        forget(schedule.zenml_id)
    elif why := forget_remote(schedule.zenml_id):
        say(f"The orchestrator of {schedule.name} was not told: {why}. Delete it there as well.")
    say(f"{schedule.name}: removed. Its history stays.")
    return 0


def history_action(arguments: argparse.Namespace, say: Say) -> int:
    """Print what became of each instant, the newest first."""
    entries = read_schedule_history(arguments.name, limit=arguments.limit)
    with opened() as state:
        remote = [s for s in schedules(state) if s.backend == "zenml"]
        if arguments.name and not entries and find(state, arguments.name) is None:
            raise unknown(state, arguments.name)
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


def _hand_over(
    name: str, config: ScheduleConfig, known: Installed | None, fires: Backend, say: Say
) -> str:
    """Tell ZenML of a schedule, and the orchestrator that fires it; return its id in ZenML."""
    from steps.adapters import schedule_remote, schedule_zenml

    if fires == "daemon":
        if known and known.backend == "zenml":
            schedule_remote.replace_remote(name)
        zenml_id = schedule_zenml.ensure_schedule(name, config, known.zenml_id if known else None)
        if known and known.paused:
            schedule_zenml.set_active(zenml_id, False)
        return zenml_id
    zenml_id = schedule_remote.submit(name, config)
    if known and known.paused:
        schedule_remote.set_active_remote(name, zenml_id, False)
    left = schedule_remote.left_to_the_orchestrator(config)
    if left:
        say(f"{name}: the stack's orchestrator fires it, which knows no {', '.join(left)}.")
    return zenml_id


def _seen(known: Installed | None, config: ScheduleConfig, now: float) -> float:
    """Return up to when instants were dealt with: a new install repeats and forgets none."""
    if known is None or known.backend != "daemon":
        return now
    before = ScheduleConfig.model_validate(known.config)
    times = ("cron", "interval", "zone", "start", "end")
    same = all(getattr(before, key) == getattr(config, key) for key in times)
    return known.seen_until if same else now
