"""One run: a library, a model, a batch size and a seed, in a process of its own."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import OURS, PEERS, PeerUnavailableError, environment
from benchmarks.peers.prepared import HISTORY_LENGTH, Prepared
from models.settings import digest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 1800
OURS_ALONE = ("native", "products")
ON_CPU_ONLY = {
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait in a loop would count as work
}


@dataclass(frozen=True)
class Job:
    """What is measured.

    Attributes:
        library: A peer's name, or ``intentflow``.
        model: Our name of the model.
        batch_size: Rows a training step, and of a scoring batch.
        seed: Of weights, order and whatever else is drawn.
        max_epochs: Epochs at most.
        patience: Epochs without a better validation AUC that end the training.
        repeats: How often all rows are scored.
        threads: Threads of torch.
        native: Whether our native kernel may be used.
        products: Our setting ``float32_products``.
    """

    library: str
    model: str
    batch_size: int
    seed: int
    max_epochs: int
    patience: int = 2
    repeats: int = 3
    threads: int = 2
    native: bool = False
    products: str = "highest"

    @property
    def label(self) -> str:
        """The name of the line in the table."""
        if self.library != "intentflow":
            return self.library
        named = ["native"] * self.native + ["fastest"] * (self.products == "fastest")
        return ", ".join(["intentflow", *named])


@dataclass
class Result:
    """What a run gave.

    Attributes:
        spans: Name of a stretch (``train``, one an epoch; ``score``) to (CPU, wall) seconds.
        peak_mb: Largest resident memory of the process, MiB.
        scored: Rows a ``score`` stretch scored.
        figures: Test AUC and GAUC.
        cached: Whether it was measured by an earlier call.
    """

    spans: dict[str, list[tuple[float, float]]]
    peak_mb: float
    scored: int
    figures: dict[str, float] = field(default_factory=dict)
    cached: bool = False


def run(job: Job, data: Prepared, home: Path, *, fresh: bool) -> Result:
    """Return what a run gives; a peer's is kept in ``home`` under all that determines it.

    Raises:
        PeerUnavailableError: the peer cannot be installed, or fails.
    """
    if job.library == "intentflow":
        return _measure(job, data, Path(sys.executable), OURS, prepares=False)
    peer = PEERS[job.library]
    python, versions = environment(peer, home)
    scripts = [
        path.read_text(encoding="utf-8") for path in (peer.runner, OURS.parent / "measuring.py")
    ]
    asked = {key: value for key, value in vars(job).items() if key not in OURS_ALONE}
    known = [asked, data.digest, versions, scripts, platform.processor(), os.cpu_count()]
    kept = home / "results" / f"{digest(known)}.json"
    if kept.is_file() and not fresh:
        return Result(**json.loads(kept.read_text(encoding="utf-8")), cached=True)
    result = _measure(job, data, python, peer.runner, prepares=peer.prepares)
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = {name: value for name, value in vars(result).items() if name != "cached"}
    kept.write_text(json.dumps(content), encoding="utf-8")
    return result


def _measure(job: Job, data: Prepared, python: Path, runner: Path, *, prepares: bool) -> Result:
    work = data.folder / job.library
    asked: dict[str, Any] = {
        **vars(job),
        "data": str(data.folder),
        "work": str(work),
        "out": str(data.folder / "result.json"),
        "history_length": HISTORY_LENGTH,
    }
    if prepares and not work.is_dir():
        work.mkdir()
        _execute(python, runner, asked | {"phase": "prepare"})
    work.mkdir(exist_ok=True)
    _execute(python, runner, asked | {"phase": "run"})
    told = json.loads(Path(asked["out"]).read_text(encoding="utf-8"))
    probabilities = np.load(asked["out"] + ".npy", allow_pickle=False)
    return Result(figures=data.figures(probabilities), **told)


def _execute(python: Path, runner: Path, asked: dict[str, Any]) -> None:
    written = Path(asked["data"]) / "job.json"
    written.write_text(json.dumps(asked), encoding="utf-8")
    environ = (
        os.environ
        | ON_CPU_ONLY
        | {
            "OMP_NUM_THREADS": str(asked["threads"]),
            "INTENTFLOW_NATIVE": str(int(asked["native"])),
            "PYTHONPATH": str(ROOT) if runner == OURS else "",
        }
    )
    try:
        done = subprocess.run(
            [str(python), str(runner), str(written)], cwd=asked["work"], env=environ,
            capture_output=True, text=True, check=False, timeout=LONGEST_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PeerUnavailableError(f"not done after {LONGEST_S} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word on stderr"]
        if runner == OURS:
            raise RuntimeError(done.stderr)
        raise PeerUnavailableError(lines[-1])
