"""The service over HTTP: steady, while production changes, and how soon a rollback is served.

    python -m benchmarks.serving --quick

Two DIN models, their weights as drawn, packaged and promoted as runs do it, behind a real
`intentflow serve`. Clients in this process ask for the scores of 100 candidates after histories of
50 without a pause, so they take a share of the cores. A rollback's time runs from the start of the
command to the first answer after which all name the version before.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.load import Answer, Load, wait_until_ready
from benchmarks.report import commit, finish, options
from models.artifacts import write_artifact
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.ctr.saved import ModelDescription, save_model
from models.data.catalogue import Catalogue
from models.data.example_settings import ExamplesConfig
from models.data.vocabulary import FieldVocabulary, Side, Vocabularies
from models.serving.request import ScoreRequest
from steps.adapters.bento import build_bento
from steps.adapters.environment import read_environment
from steps.adapters.release import promote, register_candidate, rollback
from steps.adapters.workspace import project_root

LINE, NOW = "benchmark", 1_700_000_000
CANDIDATES, HISTORY, REQUESTS = 100, 50, 64
BAR_ROLLBACK_S = 5.0


def main() -> None:
    """Measure, and print the table."""
    parser = options("The service over HTTP: steady, during swaps, and a rollback's time.")
    parser.add_argument("--items", type=int, help="items of the catalogue")
    parser.add_argument("--clients", type=int, default=2, help="clients that ask at once")
    parser.add_argument("--workers", type=int, default=1, help="serving processes")
    parser.add_argument("--port", type=int, default=3717)
    arguments = parser.parse_args()
    arguments.items = arguments.items or (20_000 if arguments.quick else 200_000)
    with tempfile.TemporaryDirectory() as state:
        released(Path(state), arguments.items)
        with served(Path(state), arguments) as server:
            rows = measure(Path(state), arguments, server)
    facts = {"commit": commit(), "cores": os.cpu_count(), "items": arguments.items}
    facts |= {"candidates": CANDIDATES, "history": HISTORY}
    finish(rows, arguments, facts | {"clients": arguments.clients, "workers": arguments.workers})


def released(state: Path, items: int) -> None:
    """Package and promote versions ``one`` and ``two``; ``one`` is in production then."""
    line = state / "releases" / LINE
    for seed, version in enumerate(("one", "two")):
        model = drawn_model(state / version, items, seed)
        bento = build_bento(model, version=version, home=state / "bento")
        register_candidate(line, bento, approved=True, reasons=("benchmark",))
        promote(line, version, reason="benchmark", who="benchmark")
    rollback(line, reason="benchmark", who="benchmark")


def drawn_model(folder: Path, items: int, seed: int) -> Path:
    """Write a DIN of a catalogue of ``items``, as training would, and return its folder."""
    users = pl.Series(range(1, items // 10 + 1))
    known = pl.Series(range(1, items + 1))
    fields: dict[Side, tuple[FieldVocabulary, ...]] = {"user": (), "item": (), "context": ()}
    vocabularies = Vocabularies(known, users, len(users), fields, ExamplesConfig())
    spec = vocabularies.spec
    catalogue = Catalogue(spec=spec, item_fields=torch.zeros(spec.num_items, 0, dtype=torch.int32))
    config = CTRConfig.model_validate({"model": "din", "settings": {}})
    described = ModelDescription(config=config, spec=spec, seed=seed, summary={})
    with write_artifact(folder, "ctr_model") as draft:
        save_model(build_model(config, catalogue, seed), described, catalogue, draft.folder)
        vocabularies.save(draft.folder)
    return folder


def requests(items: int) -> list[bytes]:
    """Return requests of users who did a lot, for many candidates."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(REQUESTS):
        past = random.integers(1, items + 1, HISTORY).tolist()
        events = [{"item_id": item, "timestamp": NOW - 60 - n} for n, item in enumerate(past)]
        body = {
            "user_id": int(random.integers(1, items // 10 + 1)),
            "history": events,
            "trigger_item_id": past[0],
            "candidates": random.integers(1, items + 1, CANDIDATES).tolist(),
            "timestamp": NOW,
        }
        found.append(ScoreRequest.model_validate(body).model_dump_json().encode())
    return found


@contextmanager
def served(state: Path, arguments: Namespace) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``intentflow serve`` while the block lasts."""
    numbers = ["--port", str(arguments.port), "--workers", str(arguments.workers)]
    server = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "serve", *numbers],
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(arguments.port)
        yield server
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait()


def measure(
    state: Path, arguments: Namespace, server: "subprocess.Popen[bytes]"
) -> list[dict[str, Any]]:
    """Return a row for each phase."""
    seconds, swaps, rollbacks = (5.0, 6, 2) if arguments.quick else (20.0, 20, 5)
    line = state / "releases" / LINE
    before = megabytes(server)
    with Load(
        arguments.port, requests(arguments.items), clients=arguments.clients, per_connection=1000
    ) as load:
        load.wait_for("one")
        began, first = time.perf_counter(), len(load.answers)
        time.sleep(seconds)
        rows = [phase("steady", load.answers[first:], time.perf_counter() - began)]
        began, first = time.perf_counter(), len(load.answers)
        for _ in range(swaps // 2):
            promote(line, "two", reason="benchmark", who="benchmark")
            load.wait_for("two")
            rollback(line, reason="benchmark", who="benchmark")
            load.wait_for("one")
        swapping = phase(f"{swaps} swaps", load.answers[first:], time.perf_counter() - began)
        after = megabytes(server)
        times = []
        for _ in range(rollbacks):
            promote(line, "two", reason="benchmark", who="benchmark")
            load.wait_for("two")
            times.append(command_to_served(state, load))
    failed = len(load.failures)
    slowest = max(times)
    return [
        *rows,
        swapping,
        told("failed requests", failed, 0),
        told("MB of the server, before and after the swaps", f"{before:.0f}, {after:.0f}"),
        told("rollback, command to served, s", f"{median(times):.2f}, slowest {slowest:.2f}",
             f"<= {BAR_ROLLBACK_S:.0f}"),
    ]  # fmt: skip


def phase(name: str, answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    """Return the row of a phase: how many answers a second, and how late they came."""
    late = np.array([1000 * answer.seconds for answer in answers])
    p50, p99 = np.percentile(late, (50, 99))
    value = f"{len(late) / seconds:.0f}/s, p50 {p50:.1f}, p99 {p99:.1f}, max {late.max():.1f} ms"
    return told(name, value)


def told(measure: str, value: Any, bar: Any = "-") -> dict[str, Any]:
    """Return a row."""
    return {"measure": measure, "value": value, "bar": bar}


def command_to_served(state: Path, load: Load) -> float:
    """Return the seconds from the start of ``intentflow rollback`` until its version is served."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pipelines", "rollback", "--reason", "benchmark"]
    running = subprocess.Popen(
        command, env=environment(state), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ended = load.wait_for("one")
    running.wait()
    return ended - began


def megabytes(server: "subprocess.Popen[bytes]") -> float:
    """Return the memory of the server and of the processes it started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(words[1])
        except OSError:  # it has just ended
            continue
    family = {server.pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    total = 0
    for process in family:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / 1024


def environment(state: Path) -> dict[str, str]:
    """Return the environment of a project whose state is elsewhere."""
    places = {"INTENTFLOW_HOME": str(state), "ZENML_CONFIG_PATH": str(state / "zenml")}
    return {**read_environment(project_root()), **os.environ, **places}


if __name__ == "__main__":
    main()
