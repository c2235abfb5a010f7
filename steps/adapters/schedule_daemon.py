"""The daemon that fires schedules: exactly one, which a keeper starts again when it dies.

Killed at any instant it loses nothing: what is due and what runs stand in the state, runs go on
without it, and the next daemon finds them by number and start time of their processes.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from models.errors import ProjectError, ScheduleError
from steps.adapters.schedule_due import claim_due
from steps.adapters.schedule_records import Row
from steps.adapters.schedule_runs import Supervisor, tell_of
from steps.adapters.schedule_state import opened, run_at, schedules_folder
from steps.adapters.workspace import project_root

logger = logging.getLogger(__name__)

DAEMON, ENGINE = "daemon.lock", "engine.lock"
POLL_S = 1.0
KEEPER = "INTENTFLOW_SCHEDULE_KEEPER"
USER_ERROR = 2
LONGEST_PAUSE_S = 60.0
Say = Callable[[str], object]


def serve(say: Say, *, poll_s: float = POLL_S) -> None:
    """Fire what is due until SIGTERM or SIGINT; runs that go on then are found by the next daemon.

    Raises:
        ScheduleError: another daemon serves this state folder.
    """
    stopped = _Stopped()
    with _only_daemon():
        say(f"The daemon {os.getpid()} serves {schedules_folder()}.")
        supervisor = Supervisor(tell=lambda row: _told(row, say))
        with contextlib.ExitStack() as engine:
            working = False
            while not stopped:
                working = working or _take(engine, ENGINE)
                _look(supervisor if working else None, say)
                stopped.wait(poll_s)
    say("The daemon ended.")


def see_through(key: tuple[str, float], say: Say, *, poll_s: float = 0.2) -> Row:
    """Return the run of schedule and instant ``key`` when it is over.

    Where no daemon serves, this process does the daemon's work for what waits and runs.
    """
    with contextlib.ExitStack() as engine:
        supervisor: Supervisor | None = None
        said = ""
        while True:
            if supervisor is None and _take(engine, ENGINE):
                supervisor = Supervisor()
            with opened() as state:
                if supervisor is not None:
                    supervisor.look_after(state)
                row = run_at(state, *key)
            if row is None:
                raise ScheduleError(f"The run of {key[0]!r} is not recorded any more.")
            if row.status not in {"waiting", "running"}:
                return row
            if row.reason != said and row.status == "running" and row.retry_at is not None:
                say(row.reason)
                said = row.reason
            time.sleep(poll_s)


def daemon_pid() -> int | None:
    """Return the process that serves this state folder, ``None`` where none does."""
    path = schedules_folder() / DAEMON
    if not path.is_file():
        return None
    with path.open("r+b") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return _noted(path)
    return None


def keep(say: Say) -> int:
    """Run the daemon as a child, start it again when it dies, and return its last exit code."""
    child: subprocess.Popen[bytes] | None = None
    asked: list[int] = []

    def forward(number: int, frame: object) -> None:
        asked.append(number)
        if child is not None and child.poll() is None:
            child.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    pause = 1.0
    while not asked:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "schedule", "daemon", "--unsupervised"],
            cwd=project_root(),
            env=os.environ | {KEEPER: str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches the keeper, which tells the daemon once
        )
        if asked:
            child.terminate()
        code = child.wait()
        if asked or code in {0, USER_ERROR}:
            return 0 if asked else code
        pause = (
            1.0 if time.monotonic() - began > LONGEST_PAUSE_S else min(pause * 2, LONGEST_PAUSE_S)
        )
        say(f"The daemon died (code {code}); it starts again in {pause / 2:g} s.")
        _doze(pause / 2, asked)
    return 0


def stop_daemon(patience_s: float = 30.0) -> int | None:
    """End the daemon of this state folder and its keeper; return its process, if there was one."""
    pid = daemon_pid()
    if pid is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(_noted(schedules_folder() / DAEMON, "keeper") or pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while daemon_pid() == pid:
        if time.monotonic() > deadline:
            raise ScheduleError(
                f"The daemon {pid} did not end within {patience_s:g} s.",
                do=f"End it yourself: kill -9 {pid}; its runs go on, and nothing is lost.",
            )
        time.sleep(0.05)
    return pid


class _Stopped:
    """Whether somebody asked this process to stop, or its keeper is gone."""

    def __init__(self) -> None:
        self._asked = False
        self._keeper = int(os.environ.get(KEEPER, "0"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def __bool__(self) -> bool:
        return self._asked or (self._keeper != 0 and os.getppid() != self._keeper)

    def wait(self, duration_s: float) -> None:
        deadline = time.monotonic() + duration_s
        while not self and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True


def _look(supervisor: Supervisor | None, say: Say) -> None:
    """Do what is due once; a state that cannot be used for now is tried again later."""
    try:
        with opened() as state:
            for row in claim_due(state, time.time()):
                if row.status != "waiting":
                    _told(row, say)
            if supervisor is not None:
                supervisor.look_after(state)
    except ProjectError as error:
        logger.error("%s", error)
        time.sleep(POLL_S)


def _told(row: Row, say: Say) -> None:
    say(f"{row.schedule}: {row.run or ''} {row.status}. {row.reason}".replace("  ", " ").strip())
    tell_of(row)


@contextmanager
def _only_daemon() -> Iterator[None]:
    with contextlib.ExitStack() as held:
        tries = 10  # somebody may only be looking whether a daemon serves
        while not _take(held, DAEMON) and (tries := tries - 1):
            time.sleep(0.05)
        if not tries:
            raise ScheduleError(
                f"A daemon serves this state folder already: process {daemon_pid()}.",
                where=str(schedules_folder() / DAEMON),
                do="Leave it, or end it first: intentflow schedule daemon --stop",
            )
        note = {"pid": os.getpid(), "keeper": int(os.environ.get(KEEPER, "0"))}
        (schedules_folder() / DAEMON).write_text(json.dumps(note), encoding="utf-8")
        yield


def _take(held: contextlib.ExitStack, name: str) -> bool:
    """Take a lock until ``held`` is closed or this process ends; False where another has it."""
    path = schedules_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise ScheduleError(
            f"Cannot keep the daemon's lock: {error}.", where=str(path), do="Make it writable."
        ) from None
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    held.callback(file.close)
    return True


def _noted(path: Path, key: str = "pid") -> int:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError):
        return 0


def _doze(duration_s: float, asked: list[int]) -> None:
    deadline = time.monotonic() + duration_s
    while not asked and time.monotonic() < deadline:
        time.sleep(0.1)
