"""The cells of a benchmark: those measured before read back, the others run, several at a time."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.assessment.benchmark_jobs import (
    FAILURE_FILE,
    JOB_FILE,
    LOG_FILE,
    CellJob,
    StoredCell,
    read_cell,
)
from models.files import write_text

SOURCES = Path(__file__).resolve().parents[2]
PROGRAM = "models.assessment.benchmark_cell"
THREADS_OF = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
POLL_S = 0.1
PATIENCE_S = 10.0
CHANGED = "The code was changed while the benchmark ran; run it again."

_log = logging.getLogger(__name__)


@dataclass
class CellRuns:
    """What became of the cells.

    Attributes:
        found: The finished ones by key.
        failed: Why the others are missing, by key.
    """

    found: dict[str, StoredCell] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run_cells(
    jobs: Sequence[CellJob],
    folder: Path,
    slots: int,
    *,
    is_current: Callable[[CellJob], bool] = lambda _: True,
    measure: bool = True,
) -> CellRuns:
    """Return every cell, each trained in a process of its own unless it was before.

    A cell that fails does not keep the others from running. Where this process ends, its cells'
    end too, and a later call goes on from their checkpoints.

    Args:
        jobs: The cells; of those with the same key one is run.
        folder: Where every cell has a folder, named by its key.
        slots: Processes at a time.
        is_current: Whether the code is still that of the cell's key, asked before each starts.
        measure: False leaves out what is not finished.
    """
    distinct = list({job.key: job for job in jobs}.values())
    stored = {job.key: read_cell(folder / job.key) for job in distinct}
    runs = CellRuns({key: one for key, one in stored.items() if one is not None})
    waiting = [job for job in distinct if job.key not in runs.found]
    if not measure:
        runs.failed = {job.key: "not finished yet" for job in waiting}
        return runs
    outlook = _Outlook(distinct, runs, slots)
    outlook.tell_start()
    running: list[tuple[CellJob, subprocess.Popen[bytes]]] = []
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                job = waiting.pop(0)
                if is_current(job):
                    running.append((job, _start(job, folder / job.key)))
                else:
                    runs.failed[job.key] = CHANGED
                    outlook.tell(job)
            time.sleep(POLL_S)
            for job, process in [entry for entry in running if entry[1].poll() is not None]:
                running.remove((job, process))
                _collect(runs, job, folder / job.key, process.returncode)
                outlook.tell(job)
    finally:
        _end([process for _, process in running])
    return runs


def _start(job: CellJob, folder: Path) -> subprocess.Popen[bytes]:
    """Start the process of a cell; its end of our pipe closes when we end, however we do."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE_FILE).unlink(missing_ok=True)
    write_text(folder / JOB_FILE, job.model_dump_json(indent=1) + "\n")
    paths = [str(SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment |= dict.fromkeys(THREADS_OF, str(job.threads))
    with (folder / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C comes to us alone
        )


def _collect(runs: CellRuns, job: CellJob, folder: Path, code: int) -> None:
    """Take in what the process of a cell left."""
    stored = read_cell(folder)
    if stored is not None:
        runs.found[job.key] = stored
        return
    log = folder / LOG_FILE
    try:
        what = json.loads((folder / FAILURE_FILE).read_text(encoding="utf-8"))["what"]
    except (OSError, ValueError, KeyError):
        what = f"Its process ended with code {code}."
        if code == -signal.SIGKILL:
            what = "Its process was killed; a machine short of memory does that."
    runs.failed[job.key] = f"{what} ({log})"


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End processes that are still running; what they had reached stands in their checkpoints."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Outlook:
    """Tells how far the cells are, and about how long the rest takes."""

    def __init__(self, jobs: Sequence[CellJob], runs: CellRuns, slots: int) -> None:
        self._jobs, self._runs, self._slots = jobs, runs, slots

    def tell_start(self) -> None:
        """Say what is there already."""
        done, all_of_them = len(self._runs.found), len(self._jobs)
        at_a_time = min(self._slots, all_of_them - done)
        rest = f"; the others now, {at_a_time} at a time" if at_a_time else ""
        _log.info("%d of %d cells were measured before%s.", done, all_of_them, rest)

    def tell(self, job: CellJob) -> None:
        """Say what became of a cell."""
        runs = self._runs
        done = len(runs.found) + len(runs.failed)
        far = f"{done} of {len(self._jobs)}{self._rest()}"
        if job.key in runs.failed:
            _log.warning("%s failed: %s; %s", job.name, runs.failed[job.key], far)
            return
        cell = runs.found[job.key].cell
        auc, gauc = (_shown(cell.metrics.get(name)) for name in ("auc", "gauc"))
        _log.info("%s: AUC %s, GAUC %s, %.0f s; %s", job.name, auc, gauc, cell.seconds, far)

    def _rest(self) -> str:
        """Return the expected rest, by what the same variant took, or all did on average."""
        runs = self._runs
        taken: dict[str, list[float]] = {}
        for job in self._jobs:
            if job.key in runs.found:
                taken.setdefault(job.variant, []).append(runs.found[job.key].cell.seconds)
        left = [j for j in self._jobs if j.key not in runs.found and j.key not in runs.failed]
        everything = [seconds for many in taken.values() for seconds in many]
        if not left or not everything:
            return ""
        seconds = sum(_mean(taken.get(job.variant, everything)) for job in left)
        return f", about {_span(seconds / min(self._slots, len(left)))} to go"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
