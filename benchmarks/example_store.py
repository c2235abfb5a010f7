"""The example store at scale: cost of building and appending, size, opening and gathering.

Every figure is of a process of its own; its peak memory is what the system says it was.
Simulated logs of 1, 5 and 20 million impressions, and one of few impressions and many behaviours.

python -m benchmarks.example_store --json results.json
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.report import commit, finish, options
from models.data.append import append_examples
from models.data.datasets.simulator import Simulator, SimulatorSettings
from models.data.example_settings import ExamplesConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.splits import SplitConfig
from models.data.tables import Tables, TableScan, scan_tables, write_tables

CONFIG = ExamplesConfig(history_days=14, trigger="log", split=SplitConfig(kind="days"))
BATCH = 4096
TARGETS = 7.9  # of 8 a request: a target drawn twice is shown once
DAY_S = 86_400
ALIMAMA = (26_000_000, 700_000_000)


def settings_of(impressions: int, past_clicks: float) -> SimulatorSettings:
    """Return a shop of about so many impressions, 40 a user."""
    return SimulatorSettings(
        users=impressions // 40,
        items=20_000,
        requests=round(impressions / TARGETS),
        past_clicks=past_clicks,
        images=False,
    )


def simulate(folder: Path, facts: dict[str, Any]) -> dict[str, float]:
    """Write the tables of a simulated log: whole, without its newest day, and that day alone."""
    found = Simulator.load(settings_of(facts["impressions"], facts["past_clicks"]), folder)
    scan = found.scan() if isinstance(found, Tables) else found
    write_tables(scan, folder / "whole")
    if facts["append"]:
        for name, part in zip(("older", "newer"), newest_day(scan), strict=True):
            write_tables(part, folder / name)
    counts = [t.select(pl.len()).collect().item() for t in (scan.impressions, scan.behaviours)]
    return {"impressions": counts[0], "events": counts[1]}


def build(folder: Path, facts: dict[str, Any]) -> dict[str, float]:
    """Build the store of one of the tables."""
    tables = scan_tables(folder / facts["tables"])
    build_example_store(tables, CONFIG, folder / f"store of {facts['tables']}", seed=0)
    return {}


def append(folder: Path, facts: dict[str, Any]) -> dict[str, float]:
    """Append the newest day."""
    summary = append_examples(
        folder / "store of older", scan_tables(folder / "newer"), CONFIG, folder / "grown", seed=0
    )
    return {"appended": float(summary["appended_impressions"] or 0)}


def newest_day(scan: TableScan) -> tuple[TableScan, TableScan]:
    """Return the log before its newest day, and that day."""
    latest = scan.impressions.select(pl.col("timestamp").max()).collect().item()
    day = pl.col("timestamp") >= latest // DAY_S * DAY_S
    parts = [
        TableScan(
            scan.spec,
            scan.items,
            scan.users,
            scan.impressions.filter(rows),
            scan.behaviours.filter(rows),
        )
        for rows in (~day, day)
    ]
    return parts[0], parts[1]


def serve(folder: Path, facts: dict[str, Any]) -> dict[str, float]:
    """Open the store and gather shuffled batches from it."""
    started = time.perf_counter()
    store = ExampleStore.open(folder / "store of whole")
    opened = time.perf_counter() - started
    rows = np.random.default_rng(0).permutation(store.num_examples)[: facts["gathered"]]
    for start in range(0, len(rows) // 2, BATCH):  # the files come into memory
        store.gather(rows[start : start + BATCH])
    started = time.process_time()
    for start in range(0, len(rows), BATCH):
        store.gather(rows[start : start + BATCH])
    seconds = time.process_time() - started
    size = sum(path.stat().st_size for path in (folder / "store of whole").iterdir())
    events = 8 * store.num_events
    return {
        "open s": opened,
        "gathered M/CPU-s": len(rows) / seconds / 1e6,
        "bytes an example": (size - events) / store.num_examples,
        "with events": size / store.num_examples,
    }


def touch(_folder: Path, _facts: dict[str, Any]) -> dict[str, float]:
    """Fill half of the free memory once.

    A virtual machine gets its memory from the host page by page, at the cost of whoever is the
    first to touch it: of twenty million impressions that was a third of a build.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"touched MB": np.ones(free // 2, np.int8).nbytes / 2**20}


TASKS: dict[str, Callable[[Path, dict[str, Any]], dict[str, float]]] = {
    task.__name__: task for task in (simulate, touch, build, append, serve)
}


def measured(task: str, folder: Path, facts: dict[str, Any]) -> dict[str, float]:
    """Return what a task gives in a process of its own, with its cost."""
    if task in ("build", "append"):
        measured("touch", folder, facts)
    words = [sys.executable, "-m", "benchmarks.example_store", "--task", task, str(folder)]
    told = subprocess.run([*words, json.dumps(facts)], capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(f"{task} of {facts} failed:\n{told.stderr}")
    return json.loads(told.stdout.splitlines()[-1])


def run_task(task: str, folder: Path, facts: dict[str, Any]) -> None:
    """Run one task here and print its figures as JSON."""
    base, cpu, wall = _peak_mb(), time.process_time(), time.perf_counter()
    found = TASKS[task](folder, facts)
    cost = {
        "CPU s": time.process_time() - cpu,
        "wall s": time.perf_counter() - wall,
        "peak MB": _peak_mb(),
        "before MB": base,
    }
    print(json.dumps(found | cost))


def measure(impressions: int, past_clicks: float, *, with_append: bool) -> dict[str, Any]:
    """Return the figures of one log."""
    facts = {
        "impressions": impressions,
        "past_clicks": past_clicks,
        "append": with_append,
        "gathered": 400_000,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = measured("simulate", folder, facts)
        built = measured("build", folder, facts | {"tables": "whole"})
        served = measured("serve", folder, facts)
        million = made["impressions"] / 1e6
        row: dict[str, Any] = {
            "impressions M": million,
            "events M": made["events"] / 1e6,
            "simulated CPU s/M": made["CPU s"] / million,
            "simulated peak MB": made["peak MB"],
            "built CPU s/M": built["CPU s"] / million,
            "wall s/M": built["wall s"] / million,
            "built peak MB": built["peak MB"],
            "over start MB/M": (built["peak MB"] - built["before MB"]) / million,
        }
        row |= {key: value for key, value in served.items() if key[-2:] not in ("MB", " s")}
        row["open s"] = served["open s"]
        if with_append:
            measured("build", folder, facts | {"tables": "older"})
            added = measured("append", folder, facts)
            row |= {
                "appended M": added["appended"] / 1e6,
                "append CPU s": added["CPU s"],
                "of a build": added["CPU s"] / built["CPU s"],
                "append peak MB": added["peak MB"],
            }
        return row | {"_cpu": built["CPU s"], "_peak": built["peak MB"]}


def extrapolated(rows: list[dict[str, Any]]) -> str:
    """Return what 26 M impressions and 700 M behaviours take, fitted to what was measured.

    Peak and time = constant + a · impressions + b · events, by least squares.
    """
    numbers = np.array([[1.0, row["impressions M"], row["events M"]] for row in rows])
    wanted = np.array([1.0, ALIMAMA[0] / 1e6, ALIMAMA[1] / 1e6])
    told = []
    for name, unit in (("_peak", "MB"), ("_cpu", "CPU s")):
        values = np.array([row[name] for row in rows])
        fitted, *_ = np.linalg.lstsq(numbers, values, rcond=None)
        told.append(
            f"{fitted @ wanted:.0f} {unit} = {fitted[0]:.0f} + {fitted[1]:.1f} · 26 "
            f"+ {fitted[2]:.2f} · 700"
        )
    return "; ".join(told)


def main() -> None:
    """Measure the logs and print the table."""
    parser = options("Cost of building, opening, reading and appending to example stores.")
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--events", type=int, default=150_000_000, help="of the log of many events")
    parser.add_argument("--task", nargs=3, metavar=("TASK", "FOLDER", "FACTS"))
    arguments = parser.parse_args()
    if arguments.task:
        task, folder, facts = arguments.task
        run_task(task, Path(folder), json.loads(facts))
        return
    measured_commit = commit()
    sizes = [100_000, 500_000] if arguments.quick else arguments.sizes
    plan = [(size, 15.0, True) for size in sizes]
    many = 5_000_000 if arguments.quick else arguments.events
    plan.append((sizes[-1] // 4, many / (sizes[-1] // 4 / 40), False))
    rows = []
    for impressions, past_clicks, with_append in plan:
        rows.append(measure(impressions, past_clicks, with_append=with_append))
        print(rows[-1], flush=True)
    _finish(rows, arguments, measured_commit)


def _finish(rows: list[dict[str, Any]], arguments: argparse.Namespace, code: str) -> None:
    columns = [name for name in rows[0] if not name.startswith("_")]
    shown = [{name: row.get(name, "–") for name in columns} for row in rows]
    facts = {"commit": code, "data": "simulated, seed 0"}
    finish(shown, arguments, facts | {"26 M impressions and 700 M behaviours": extrapolated(rows)})


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
