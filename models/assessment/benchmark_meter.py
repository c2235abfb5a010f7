"""Time, processor time and memory of one training, over all its starts."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from models.files import write_text

PEAK_LINE = "VmHWM:"


class Meter:
    """Adds up what a training takes, in a file that a killed process leaves to the next.

    Args:
        path: The file.

    Attributes:
        seconds: Wall clock.
        cpu_seconds: Processor time of this process, all threads.
        peak_bytes: Most memory: of this process, or on a GPU what torch held there.
        done: Whether the training ended well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._device: torch.device | None = None  # set while the training runs
        self.seconds, self.cpu_seconds, self.peak_bytes, self.done = _read(path)

    @contextmanager
    def running(self, device: torch.device) -> Iterator[None]:
        """Measure the block, a training on ``device``; one that had ended is measured anew."""
        if self.done:
            self.seconds, self.cpu_seconds, self.peak_bytes, self.done = 0.0, 0.0, 0, False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._since = time.perf_counter(), time.process_time()
        self._device = device
        yield
        self.done = True
        self.note()
        self._device = None

    def note(self) -> None:
        """Write down what a running training took so far; otherwise do nothing."""
        with self._lock:
            if self._device is None:
                return
            now = time.perf_counter(), time.process_time()
            self.seconds += now[0] - self._since[0]
            self.cpu_seconds += now[1] - self._since[1]
            self._since = now
            self.peak_bytes = max(self.peak_bytes, _peak(self._device))
            told = [self.seconds, self.cpu_seconds, self.peak_bytes, self.done]
            write_text(self._path, json.dumps(told) + "\n")


def _read(path: Path) -> tuple[float, float, int, bool]:
    try:
        seconds, cpu_seconds, peak, done = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0, 0.0, 0, False
    return float(seconds), float(cpu_seconds), int(peak), bool(done)


def _peak(device: torch.device) -> int:
    """Return the most memory so far.

    Where Linux tells it of this program alone, that is taken: ``ru_maxrss`` counts the memory of
    the process that started it, too.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        found = [line.split()[1] for line in lines if line.startswith(PEAK_LINE)]
        if found:
            return int(found[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
