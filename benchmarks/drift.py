"""Drift detection: false alarms on windows without drift, planted drifts found, time and memory.

Windows of an A/A pair hold different users picked at random, so whatever they differ in is chance.
A planted drift counts as found where the column it is in is past its threshold. Evidently's
untouched `DataDriftPreset` sees the same windows; it has no test for embeddings.

    python -m benchmarks.drift --data simulator --quick
"""

import argparse
import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.drift_data import Pools, movielens_pools, pair, simulator_pools
from benchmarks.report import commit, finish, options
from models.assessment.drift_detection import detect
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import Window

POOLS = {"simulator": simulator_pools, "movielens": movielens_pools}
SIZES = ((2000, 1000), (8000, 4000))
MOVIELENS = Path("data/movielens-latest-small")
EXPECTED = {
    "price shift": {"price_band", "price", "year"},
    "new category": {"category", "main_genre", "item_id"},
    "popularity reversal": {"item_id"},
    "intent from specific to broad": {"intent_level", "intent_of_clicks"},
    "encoder swapped": {"embeddings of shown items", "embeddings of clicked items"},
    "unit change": {"price", "year"},
}
ROWS, COLUMNS = 1_000_000, 50
BAR_S, BAR_GB = 60, 4
Outcome = tuple[bool, set[str]]


def ours(reference: Window, current: Window) -> Outcome:
    """Return whether there is drift, and the columns it is in."""
    settings = DriftSettings(examples=0)
    columns = detect(reference, current, settings).verdict.columns
    found = {column.name for column in columns if column.drifted}
    return bool(found), found


def evidently_defaults(reference: Window, current: Window) -> Outcome:
    """Return whether Evidently says that the data set drifted, and the columns it flags."""
    os.environ["DO_NOT_TRACK"] = "1"
    logging.getLogger("evidently").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset

        newest, older = current.rows.to_pandas(), reference.rows.to_pandas()
        report = Report([DataDriftPreset()], include_tests=True)
        content: dict[str, Any] = report.run(newest, older).dict()
    failed = [test for test in content["tests"] if str(test["status"]).endswith("FAIL")]
    named = [test["metric_config"]["params"].get("column") for test in failed]
    return None in named, {name for name in named if name is not None}


WAYS = {"intentflow": ours, "evidently": evidently_defaults}


def false_alarms(pools: Pools, sizes: tuple[int, int], way: str, pairs: int) -> dict[str, Any]:
    """Return how often there is an alarm on windows that differ by chance alone."""
    return _judged(pools, sizes, way, "none (A/A)", pairs, (pools.same, pools.same), 1, None)


def found(pools: Pools, sizes: tuple[int, int], way: str, drift: str, pairs: int) -> dict[str, Any]:
    """Return how often a planted drift is found, in the column it was planted in."""
    return _judged(pools, sizes, way, drift, pairs, pools.drifts[drift], 2, EXPECTED[drift])


def _judged(
    pools: Pools,
    sizes: tuple[int, int],
    way: str,
    drift: str,
    pairs: int,
    windows: tuple[Window, Window],
    seed: int,
    wanted: set[str] | None,
) -> dict[str, Any]:
    """Return a row: how often there is an alarm, and a column of those wanted, or any, is named."""
    generator = np.random.default_rng(seed)
    alarms, hits, blamed, began = 0, 0, Counter[str](), time.perf_counter()
    for _ in range(pairs):
        drifted, columns = WAYS[way](*pair(windows, sizes, generator))
        alarms += drifted
        hits += bool(columns if wanted is None else columns & wanted)
        blamed.update(columns)
    return {
        **_row(pools, sizes, way, drift, pairs),
        "alarm": alarms / pairs,
        "column": hits / pairs,
        "s a pair": (time.perf_counter() - began) / pairs,
        "most": ", ".join(f"{name} {count}" for name, count in blamed.most_common(3)),
    }


def _row(pools: Pools, sizes: tuple[int, int], way: str, drift: str, pairs: int) -> dict[str, Any]:
    rows = f"{sizes[0]} / {sizes[1]}"
    return {"data": pools.name, "rows": rows, "way": way, "drift": drift, "pairs": pairs}


def write_large(folder: Path, rows: int) -> None:
    """Write two windows of 50 columns: IDs, categories, numbers, codes, label and score."""
    for name, seed in (("reference", 1), ("current", 2)):
        rng = np.random.default_rng(seed)
        columns: dict[str, Any] = {
            "user_id": rng.integers(0, rows // 10, rows),
            "item_id": rng.zipf(1.3, rows) % 100_000,
            "label": (rng.random(rows) < 0.1).astype(np.int8),
            "score": rng.beta(1, 9, rows),
            "intent_level": rng.integers(0, 6, rows),
            **{f"sid_{i}": rng.integers(0, 256, rows).astype(np.int32) for i in range(3)},
        }
        columns |= {f"number_{i}": rng.normal(size=rows).astype(np.float32) for i in range(21)}
        columns |= {f"brand_{i}": rng.zipf(1.5, rows) % 5000 for i in range(6)}
        columns |= {f"kind_{i}": rng.integers(0, 12, rows).astype(np.int8) for i in range(15)}
        frame = pl.DataFrame(columns)
        texts = pl.format("value {}", pl.col("^(brand|kind)_.*$"))
        frame.with_columns(texts).write_parquet(folder / f"{name}.parquet")


def report_large(folder: Path) -> None:
    """Report on the two windows, all of it, and print seconds and memory."""
    from steps.adapters.evidently import DriftConfig, report_drift

    began = time.perf_counter()
    older, newest = (
        Window(pl.read_parquet(folder / f"{name}.parquet")) for name in ("reference", "current")
    )
    config = DriftConfig(sample_rows=10 * ROWS, notify=())
    report_drift(older, newest, config, folder / "out", folder / "state" / "evidently", "large")
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    size = sum(path.stat().st_size for path in (folder / "out").glob("*.html")) / 1e6
    print(json.dumps({"seconds": took, "peak GB": peak, "pages MB": size}))


def large(rows: int) -> dict[str, Any]:
    """Return what a whole report on windows of ``rows`` rows takes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_large(Path(folder), rows)
        command = [sys.executable, "-m", "benchmarks.drift", "--large-in", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The large report failed: {done.stderr[-2000:]}")
    took = json.loads(done.stdout.splitlines()[-1])
    return {"rows a window": rows, "columns": COLUMNS, **took, "bar": f"{BAR_S} s, {BAR_GB} GB"}


def measure(arguments: argparse.Namespace, pools: Pools) -> list[dict[str, Any]]:
    """Return a row for each way, size and drift."""
    aa, planted = (20, 5) if arguments.quick else (200, 40)
    theirs = arguments.evidently_pairs or (3 if arguments.quick else 40)
    rows = []
    sizes_asked = [sizes for sizes in SIZES if sizes[0] in arguments.rows]
    for sizes in sizes_asked:
        rows.append(false_alarms(pools, sizes, "intentflow", aa))
        rows += [found(pools, sizes, "intentflow", drift, planted) for drift in EXPECTED]
    small = SIZES[0]
    if theirs > 0 and small in sizes_asked:
        rows.append(false_alarms(pools, small, "evidently", theirs))
        rows += [found(pools, small, "evidently", d, min(theirs, planted)) for d in EXPECTED]
    return rows


def data_hash(pools: Sequence[Pools]) -> str:
    """Return a hash of the rows that windows are drawn from."""
    summary = hashlib.sha256()
    for one in pools:
        summary.update(one.same.rows.write_csv().encode())
    return summary.hexdigest()[:12]


def main() -> None:
    """Measure what was asked for and print it as tables."""
    parser = options(__doc__ or "")
    parser.add_argument("--data", choices=[*POOLS, "large"], nargs="*", default=[*POOLS, "large"])
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[sizes[0] for sizes in SIZES], help="of a reference"
    )
    parser.add_argument("--evidently-pairs", type=int, help="pairs Evidently sees; -1 is none")
    parser.add_argument("--folder", type=Path, help="where embeddings are kept between runs")
    parser.add_argument("--large-in", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.large_in:
        report_large(arguments.large_in)
        return
    if "large" in arguments.data:
        rows = [large(ROWS // 10 if arguments.quick else ROWS)]
        finish(rows, arguments, {"commit": commit(), "cores": os.cpu_count()})
    names = [name for name in POOLS if name in arguments.data]
    if "movielens" in names and not MOVIELENS.is_dir():
        print(f"No {MOVIELENS}: left out. `dvc pull` brings it.")
        names.remove("movielens")
    with tempfile.TemporaryDirectory() as created:
        pools = [POOLS[name](arguments.folder or Path(created)) for name in names]
        rows = [row for one in pools for row in measure(arguments, one)]
    if rows:
        finish(rows, arguments, {"commit": commit(), "data": data_hash(pools)})


if __name__ == "__main__":
    main()
