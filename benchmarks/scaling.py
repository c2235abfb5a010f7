"""What DIN costs as tables, logs and histories grow: CPU time per example, and peak memory.

python -m benchmarks.scaling --threads 2

Every line is a process of its own on a synthetic store: user timelines once, examples that point
into them, as `models.data.store` lays them out. Items are drawn evenly over the table, which is the
worst case for it, unless a line says otherwise. CPU time is that of all threads.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import commit, finish, options
from models.ctr.base import Stage
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.data.feature_spec import FeatureSpec
from models.data.gathering import jagged_history
from models.native import library
from models.training.optimizers import make_optimizer
from models.training.ordering import epoch_order
from models.training.row_updates import follow
from models.training.stages import stage_loss

STEPS, MEASURED = 4, 3
CASES: dict[str, list[dict[str, Any]]] = {
    "items": [
        {"items": 10_000},
        {"items": 1_000_000},
        {"items": 10_000, "skewed": True},
        {"items": 1_000_000, "skewed": True},
    ],
    "examples": [
        {"examples": 100_000},
        {"examples": 1_000_000},
        {"examples": 5_000_000},
        {"examples": 20_000_000},
    ],
    "history": [{"history": 50}, {"history": 200}, {"history": 1_000}],
}
DEFAULTS = {"items": 10_000, "examples": 200_000, "history": 50, "skewed": False}


class SyntheticStore:
    """The columns of an example store, drawn at random, and its gather.

    Args:
        case: ``items``, ``examples``, ``history`` (events of every history) and ``skewed`` (whether
            items are drawn by Zipf's law).
    """

    def __init__(self, case: dict[str, Any]) -> None:
        random = np.random.default_rng(0)
        count, self.length = case["examples"], case["history"]
        self.spec = FeatureSpec(num_users=max(count // 40, 2), num_items=case["items"])
        self.user = random.integers(2, self.spec.num_users + 1, count, dtype=np.int32) - 1
        self.target = self._items(random, count, case["skewed"])
        self.label = (random.random(count) < 0.2).astype(np.int8)
        events = max(count // 4, 2 * self.length)
        self.events = self._items(random, events, case["skewed"])
        self.start = random.integers(0, events - self.length, count, dtype=np.int32)

    def _items(self, random: np.random.Generator, count: int, skewed: bool) -> np.ndarray:
        known = self.spec.num_items - 2
        if skewed:
            rank = np.exp(random.random(count, dtype=np.float32) * np.log(known)).astype(np.int32)
            return np.minimum(rank, known - 1) + 2
        return random.integers(2, known + 2, count, dtype=np.int32)

    def gather(self, rows: np.ndarray) -> Batch:
        """Return a batch as `ExampleStore.gather` does."""
        start, tensor = self.start[rows], torch.from_numpy
        nothing = torch.zeros(len(rows), 0, dtype=torch.int32)
        return Batch.of_jagged(
            jagged_history(self.events, self.events, self.user[rows], start, start + self.length),
            user=tensor(self.user[rows]),
            target_item=tensor(self.target[rows]),
            trigger_item=tensor(self.events[start]),
            user_fields=nothing,
            context_fields=nothing,
            label=tensor(self.label[rows].astype(np.float32)),
        )


def measure(case: dict[str, Any], batch_size: int, threads: int) -> dict[str, float]:
    """Train and score some batches; return CPU time per example (µs) and peak memory (MB).

    The fastest of three runs counts: what else runs on a machine can only slow it down.
    """
    torch.set_num_threads(threads)
    store = SyntheticStore(case)
    nothing = torch.zeros(store.spec.num_items, 0, dtype=torch.int32)
    config = CTRConfig.model_validate({"model": "din", "training": {"batch_size": batch_size}})
    stage = Stage("joint")
    model = build_model(config, Catalogue(store.spec, nothing), 0)
    optimizer = make_optimizer(stage, model, config.training)
    order = epoch_order(np.arange(len(store.user)), 0, 0, 0)
    chunks = [order[i * batch_size : (i + 1) * batch_size] for i in range(STEPS * MEASURED + 1)]

    def train(rows: np.ndarray) -> None:
        optimizer.zero_grad(set_to_none=True)
        stage_loss(stage, model, store.gather(rows)).backward()
        optimizer.step()

    def infer(rows: np.ndarray) -> None:
        with torch.inference_mode():
            model(store.gather(rows))

    chunks = [chunk for chunk in chunks if len(chunk)]
    per_example = {}
    with follow(model, optimizer):
        for name, work in (("train", train), ("score", infer)):
            work(chunks[0])
            per_example[name] = min(
                _cpu_seconds(work, chunks[run::MEASURED]) for run in range(MEASURED)
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**{f"{name} µs": 1e6 * value for name, value in per_example.items()}, "peak MB": peak}


def _cpu_seconds(work: Any, chunks: list[np.ndarray]) -> float:
    started = time.process_time()
    for chunk in chunks:
        work(chunk)
    return (time.process_time() - started) / sum(len(chunk) for chunk in chunks)


def measured_apart(case: dict[str, Any], arguments: argparse.Namespace) -> dict[str, float]:
    """Return what `measure` finds in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        told = ["--case", json.dumps(case), "--into", str(result)]
        sizes = ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(arguments.threads),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        command = [sys.executable, "-m", "benchmarks.scaling", *told, *sizes]
        subprocess.run(command, check=True, env=environment)
        return json.loads(result.read_text(encoding="utf-8"))


def main() -> None:
    """Measure every case and print the costs, relative to the first of its kind."""
    parser = options("Cost of DIN as tables, logs and histories grow.")
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        found = measure(json.loads(arguments.case), arguments.batch, arguments.threads)
        arguments.into.write_text(json.dumps(found), encoding="utf-8")
        return
    measured, rows = commit(), list[dict[str, Any]]()
    if arguments.quick:
        arguments.batch = min(arguments.batch, 512)
    for kind in arguments.kinds:
        cases = CASES[kind][:2] if arguments.quick else CASES[kind]
        first: dict[str, float] = {}
        for given in cases:
            found = measured_apart(DEFAULTS | given, arguments)
            first = found if given.get("skewed") and not rows[-1]["skewed"] else first or found
            ratios = {
                f"{name} ×": found[f"{name} µs"] / first[f"{name} µs"]
                for name in ("train", "score")
            }
            rows.append({"kind": kind, **DEFAULTS, **given, **found, **ratios})
    facts = {
        "commit": measured,
        "data": "synthetic, seed 0",
        "batch": arguments.batch,
        "threads": arguments.threads,
        "native kernel": library.available(),
        "torch": torch.__version__,
    }
    finish(rows, arguments, facts)


if __name__ == "__main__":
    main()
