"""The processes of scheduled runs: started apart from the daemon, known again after its death."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from steps.adapters.schedule_state import schedules_folder

SAME_START_S = 1.0  # clocks of the kernel and of /proc are this close
KILL_AFTER_S = 5.0


def settings_file(run: str) -> Path:
    """Return the file with the settings of ``run``, as `zenml pipeline run -c` takes it."""
    return schedules_folder() / "runs" / f"{run}.yaml"


def log_file(run: str) -> Path:
    """Return the file with all that ``run`` printed."""
    return schedules_folder() / "runs" / f"{run}.log"


def start(
    token: str, log: Path, root: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start the process of the run that ``token`` belongs to, in a group of its own.

    Args:
        token: What it must hold to begin.
        log: Takes all it prints.
        root: The project's root.
        environment: Variables besides the daemon's own.
    """
    return start_module("steps.adapters.schedule_child", [token], log, root, environment)


def start_closer(run: str, root: Path) -> subprocess.Popen[bytes]:
    """Start a process that notes in ZenML that ``run``, which was killed, is over."""
    return start_module("steps.adapters.schedule_child", ["--close", run], log_file(run), root, {})


def start_module(
    module: str, arguments: list[str], log: Path, root: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start ``python -m module``, which outlives this process; it prints into ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=root,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_time(pid: int) -> float:
    """Return when process ``pid`` started, which tells it from a later one of the same number."""
    return psutil.Process(pid).create_time()


def alive(pid: int | None, started: float | None) -> bool:
    """Tell whether the process that was ``pid`` and began at ``started`` still runs."""
    return _process(pid, started) is not None


def end(pid: int | None, started: float | None) -> None:
    """End a process, its group and all it started: kindly, then after `KILL_AFTER_S` for good."""
    process = _process(pid, started)
    if process is None:
        return
    family = _family(process)
    _tell(process.pid, family, signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=KILL_AFTER_S)
    if left:
        _tell(process.pid, [*left, *(p for one in left for p in _children(one))], signal.SIGKILL)
        psutil.wait_procs(left, timeout=KILL_AFTER_S)


def _process(pid: int | None, started: float | None) -> psutil.Process | None:
    if pid is None or started is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < SAME_START_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *_children(process)]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _tell(group: int, family: Iterable[psutil.Process], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
