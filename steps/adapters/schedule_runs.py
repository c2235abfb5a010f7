"""Runs from their turn to their end: begun, watched, ended in time, tried again, told of."""

import contextlib
import re
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from models.errors import ProjectError
from models.files import write_text
from models.settings import config_path, read_yaml
from steps.adapters.notify import Notification, notify_all
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_processes import (
    KILL_AFTER_S,
    alive,
    end,
    log_file,
    settings_file,
    start,
    start_closer,
)
from steps.adapters.schedule_records import Row
from steps.adapters.schedule_state import change_run, run_at, runs, schedules_folder
from steps.adapters.schedule_times import stamp, zoned
from steps.adapters.workspace import configs_folder, project_root, state_folder

KEPT_LOGS = 100  # runs of a schedule whose logs stay
DIED = "Its process ended without a word: killed, out of memory, or the machine went down."


class Supervisor:
    """Watches the processes of runs; another one goes on where this one was killed.

    Args:
        tell: Called with each run that is over.
        clock: Seconds since 1970.
    """

    def __init__(
        self, tell: Callable[[Row], object] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._tell, self._clock = tell or tell_of, clock
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._closers: list[subprocess.Popen[bytes]] = []

    def look_after(self, state: sqlite3.Connection) -> bool:
        """Do for each open run what is to be done now; return whether any is open."""
        self._closers = [closer for closer in self._closers if closer.poll() is None]
        for row in runs(state, statuses=("running",)):
            self._watch(state, row)
        running = {row.schedule for row in runs(state, statuses=("running",))}
        for row in reversed(runs(state, statuses=("waiting",))):  # the oldest first
            if row.schedule not in running:
                self._begin(state, row, attempt=row.attempt + 1)  # 1, or one asked for again
                running.add(row.schedule)
        return bool(running)

    def _watch(self, state: sqlite3.Connection, row: Row) -> None:
        child = self._children.get(row.token or "")
        ended = child is not None and child.poll() is not None
        row = run_at(state, row.schedule, row.scheduled_at) or row  # what an ended child wrote last
        if row.cancel:
            self._stop(state, row, "failed", row.cancel, final=True)
        elif row.retry_at is not None:
            if self._clock() >= row.retry_at:
                self._begin(state, row, attempt=row.attempt + 1)
        elif row.pid is None and child is None:
            self._begin(state, row, attempt=row.attempt)  # an earlier daemon died starting it
        elif ended or (row.pid is not None and not alive(row.pid, row.pid_started)):
            self._settle(state, row)
        elif self._clock() > (row.attempt_started_at or 0.0) + _config(row).timeout:
            why = f"It took longer than {_config(row).timeout:g} s."
            self._stop(state, row, "timed_out", why)

    def _begin(self, state: sqlite3.Connection, row: Row, *, attempt: int) -> None:
        token = secrets.token_hex(16)
        now = self._clock()
        name = f"{row.schedule}-{stamp(row.scheduled_at)}" + (f"-{attempt}" if attempt > 1 else "")
        begun = change_run(
            state, row, status="running", attempt=attempt, token=token, run=name, pid=None,
            pid_started=None, outcome=None, retry_at=None, started_at=row.started_at or now,
            attempt_started_at=now,
        )  # fmt: skip
        if not begun:
            return
        row = run_at(state, row.schedule, row.scheduled_at) or row
        try:
            _write_settings(row)
            environment = {"INTENTFLOW_HOME": str(state_folder()), "PYTHONUNBUFFERED": "1"}
            self._children[token] = start(token, log_file(name), project_root(), environment)
        except (ProjectError, OSError) as error:
            why = str(error).splitlines()[0]
            self._failed(state, row, "failed", f"It could not be started: {why}")

    def _settle(self, state: sqlite3.Connection, row: Row) -> None:
        """Take note of a process that is over."""
        if row.outcome in {"succeeded", "skipped"}:
            self._finish(state, row, row.outcome, row.reason)
        else:
            reason = _reason(row) if row.outcome else DIED
            self._failed(state, row, "failed", reason)

    def _stop(
        self, state: sqlite3.Connection, row: Row, status: str, why: str, *, final: bool = False
    ) -> None:
        end(row.pid, row.pid_started)
        child = self._children.get(row.token or "")
        if child is not None and child.poll() is None:
            child.kill()  # it had not even noted its number
            child.wait()
        row = run_at(state, row.schedule, row.scheduled_at) or row
        if row.outcome == "succeeded":
            self._settle(state, row)  # it was over in the meantime
        elif final:
            self._silence(row)
            self._finish(state, row, status, why)
        else:
            self._failed(state, row, status, why)

    def _silence(self, row: Row) -> None:
        """Let ZenML know of a run that could not tell itself that it is over."""
        if row.outcome is None and row.pid is not None and row.run is not None:
            self._closers.append(start_closer(row.run, project_root()))

    def _failed(self, state: sqlite3.Connection, row: Row, status: str, why: str) -> None:
        """Let a failed attempt be followed by another one, where one is left."""
        self._silence(row)
        policy = _config(row).retries
        if row.attempt > policy.count:
            self._finish(state, row, status, why)
            return
        retry_at = self._clock() + policy.wait_s(row.attempt)
        told = f"Attempt {row.attempt} of {policy.count + 1}: {why}"
        self._let_go(row)
        change_run(state, row, retry_at=retry_at, reason=told, token=None, pid=None, outcome=None)

    def _finish(self, state: sqlite3.Connection, row: Row, status: str, why: str) -> None:
        self._let_go(row)
        changed = change_run(
            state, row, status=status, reason=why, ended_at=self._clock(), token=None, pid=None,
            retry_at=None, cancel=None,
        )  # fmt: skip
        over = run_at(state, row.schedule, row.scheduled_at)
        if changed and over is not None:
            _forget_old(over.schedule)
            self._tell(over)

    def _let_go(self, row: Row) -> None:
        """Forget the process of an attempt, which is over but may not have been waited for."""
        child = self._children.pop(row.token or "", None)
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=KILL_AFTER_S)


def tell_of(row: Row) -> int:
    """Tell people what became of ``row`` where its schedule asks for it."""
    config = _config(row)
    due = zoned(row.scheduled_at, config.zone).isoformat(sep=" ", timespec="minutes")
    words = row.status.replace("_", " ")
    text = (
        f"The run of {due} {words}." if row.status != "missed" else f"The run of {due} was missed."
    )
    details = {
        "schedule": row.schedule, "scheduled_at": stamp(row.scheduled_at), "run": row.run,
        "attempt": row.attempt, "reason": row.reason,
        "log": str(log_file(row.run)) if row.run else None,
    }  # fmt: skip
    told = Notification.model_validate(
        {
            "event": row.status,
            "source": f"schedule {row.schedule}",
            "text": f"{text} {row.reason}".strip(),
            "details": details,
        }
    )
    return notify_all(told, config.notify)


def _write_settings(row: Row) -> None:
    """Write the pipeline file of the run: the schedule's, with name, tag and data window."""
    config = _config(row)
    path = config_path("pipelines", config.config, configs_folder())
    values: dict[str, Any] = read_yaml(path)
    parameters = dict(values.get("parameters") or {})
    if config.window is not None:
        parameters["until"] = row.until
        if config.window.parameters is not None:
            parameters["window"] = config.window.parameters
    values |= {
        "run_name": row.run,
        "tags": [*(values.get("tags") or []), f"schedule:{row.schedule}"],
    }
    if parameters:
        values["parameters"] = parameters
    write_text(settings_file(row.run or ""), yaml.safe_dump(values, sort_keys=False))


def last_words(output: str) -> str:
    """Return the line of ``output`` that names the error, else the last one."""
    told = [_plain(line) for line in output.splitlines()[-200:] if _plain(line)]
    named = [line for line in told if re.match(r"(\w+\.)*\w*(Error|Exception)\b", line)]
    return (named or told or [""])[-1][:300]


def _reason(row: Row) -> str:
    """Return what the run last said of its end."""
    try:
        log = log_file(row.run or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return row.reason
    return last_words(log) or row.reason


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line).strip()


def _forget_old(schedule: str) -> None:
    """Delete what the oldest runs printed: names sort as the runs came."""
    pattern = re.compile(rf"{re.escape(schedule)}-\d{{8}}T[\d.]+Z(-\d+)?\.(log|yaml)")
    folder: Path = schedules_folder() / "runs"
    kept = sorted(path for path in folder.glob("*") if pattern.fullmatch(path.name))
    for path in kept[: -2 * KEPT_LOGS]:
        path.unlink(missing_ok=True)


def _config(row: Row) -> ScheduleConfig:
    return ScheduleConfig.model_validate(row.config)
