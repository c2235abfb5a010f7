"""What every runner shares: the job it is given, a stopwatch, and the result it leaves.

Runners are scripts: each is executed by the Python of the library it measures, where intentflow is
not installed, so they read plain arrays and import nothing of the project but this file.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

SPLITS = ("train", "valid", "test")


class Stopwatch:
    """CPU and wall seconds of stretches of work; an inner stretch is not counted in the outer.

    CPU seconds are user and system time of all threads, and of finished child processes.
    """

    def __init__(self) -> None:
        self.spans: dict[str, list[tuple[float, float]]] = {}
        self._stack: list[list[float]] = []
        self._last = (0.0, 0.0)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count what is done inside as one stretch called ``name``."""
        self._charge()
        self._stack.append([0.0, 0.0])
        try:
            yield
        finally:
            self._charge()
            cpu, wall = self._stack.pop()
            self.spans.setdefault(name, []).append((cpu, wall))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with every call counted as one stretch."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.span(name):
                return function(*args, **kwargs)

        return call

    def _charge(self) -> None:
        now = (_cpu_seconds(), time.perf_counter())
        if self._stack:
            self._stack[-1][0] += now[0] - self._last[0]
            self._stack[-1][1] += now[1] - self._last[1]
        self._last = now


def read_job() -> dict[str, Any]:
    """Return the job whose file the command line names, its threads and seed already set."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    np.random.seed(job["seed"])  # some peers draw from this one
    return job


def read_arrays(job: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the prepared arrays by name, and the sizes of the id spaces."""
    folder = Path(job["data"])
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads((folder / "sizes.json").read_text(encoding="utf-8"))


def rows_of(arrays: dict[str, np.ndarray], split: str) -> np.ndarray:
    """Return the row numbers of a split."""
    return np.flatnonzero(arrays["split"] == SPLITS.index(split))


def leave(
    job: dict[str, Any], watch: Stopwatch, probabilities: np.ndarray, scored: int | None = None
) -> None:
    """Write the result: the spans, the peak of resident memory, a probability for every row.

    Args:
        job: The job.
        watch: With spans ``train``, one an epoch, and ``score``.
        probabilities: Of every row; those of the test rows count.
        scored: Rows that a ``score`` span scored; all if ``None``.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64).reshape(-1)
    np.save(job["out"] + ".npy", probabilities, allow_pickle=False)
    result = {
        "spans": watch.spans,
        "peak_mb": _peak_mb(),
        "scored": len(probabilities) if scored is None else scored,
    }
    Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # some peers leave threads behind that would hold the process


def _peak_mb() -> float:
    """Return the peak of this program alone; ``ru_maxrss`` would begin with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
