"""Training and scoring speed, memory and quality beside the peers', on the same data and sizes.

python -m benchmarks.training --models din --peers fuxictr --quick

Samples per CPU-second are rows over user and system time of all threads, so that a busy machine
changes them little; medians over all epochs (training) and repeats (scoring) of all seeds.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import PEERS, PeerUnavailableError
from benchmarks.peers.prepared import Prepared, prepare, source
from benchmarks.peers.runs import Job, Result, run
from benchmarks.report import commit, finish, options

MODELS = ("din", "dien", "dcnv2", "deepfm")
BATCH_SIZES = (4096, 1024)
NATIVE = ("din",)  # the models our native kernel has a part in
PRODUCTS = ("highest", "fastest")
QUICK_EPOCHS, EPOCHS = 3, 12


def lines_of(jobs: Sequence[Job], data: Prepared, home: Path, fresh: bool) -> dict[str, Any]:
    """Return the line of the table that the runs of one library over the seeds make."""
    first = jobs[0]
    head = {"model": first.model, "batch": first.batch_size, "library": first.label}
    results: list[Result] = []
    try:
        for job in jobs:
            print(f"{job.model} {job.batch_size} {job.label} seed {job.seed}", file=sys.stderr)
            results.append(run(job, data, home, fresh=fresh))
    except PeerUnavailableError as error:
        return head | {"error": str(error)}
    return head | _figures(results, data)


def _figures(results: Sequence[Result], data: Prepared) -> dict[str, Any]:
    found: dict[str, Any] = {"cached": all(result.cached for result in results)}
    for name, rows in (("train", data.train_rows), ("score", results[0].scored)):
        spans = np.array([span for result in results for span in result.spans[name]])
        found[f"{name}_per_cpu_s"], found[f"{name}_per_wall_s"] = rows / np.median(spans, axis=0)
    found["peak_mb"] = float(np.median([result.peak_mb for result in results]))
    found["epochs"] = [len(result.spans["train"]) for result in results]
    for name in ("auc", "gauc"):
        found[name] = [result.figures[name] for result in results]
    return found


def shown(lines: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the table: every library's figures, and ours as ratios to theirs."""
    rows = []
    for line in lines:
        head = {key: str(line[key]) for key in ("model", "batch", "library")}
        if "error" in line:
            rows.append(head | dict.fromkeys(COLUMNS, "–") | {"ours / theirs": line["error"]})
            continue
        head["library"] += " (kept)" * line["cached"]
        cells = (
            *(f"{line[name] / 1000:.1f}k" for name in RATES),
            f"{line['peak_mb']:.0f}",
            _spread(line["auc"]),
            _spread(line["gauc"]),
        )
        rows.append(
            head | dict(zip(COLUMNS, cells, strict=True)) | {"ours / theirs": _ratios(line, lines)}
        )
    return rows


RATES = ("train_per_cpu_s", "train_per_wall_s", "score_per_cpu_s", "score_per_wall_s")
COLUMNS = ("train /CPU-s", "train /s", "score /CPU-s", "score /s", "peak MB", "AUC", "GAUC")


def _ratios(line: dict[str, Any], lines: Sequence[dict[str, Any]]) -> str:
    """Return training, scoring and memory of ours over a peer's, our lines in their order."""
    if line["library"].startswith("intentflow"):
        return ""
    ours = [
        other
        for other in lines
        if other["library"].startswith("intentflow")
        and (other["model"], other["batch"]) == (line["model"], line["batch"])
        and "error" not in other
    ]
    told = []
    for name, label in ((RATES[0], "train"), (RATES[2], "score"), ("peak_mb", "memory")):
        told.append(f"{label} " + " | ".join(f"{one[name] / line[name]:.2f}" for one in ours))
    return ", ".join(told)


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def plan(arguments: argparse.Namespace) -> list[list[Job]]:
    """Return the runs, one list a line of the table."""
    epochs = arguments.epochs or (QUICK_EPOCHS if arguments.quick else EPOCHS)
    seeds = range(1, (1 if arguments.quick else arguments.seeds) + 1)
    planned = []
    for model in arguments.models:
        for size in arguments.batch_sizes:
            natives = (False, True) if model in NATIVE and not arguments.no_native else (False,)
            wanted = [("intentflow", on, way) for on in natives for way in arguments.products]
            peers = [name for name in arguments.peers if model in PEERS[name].models]
            wanted += [(name, False, PRODUCTS[0]) for name in peers]
            for name, native, way in wanted:
                planned.append(
                    [
                        Job(name, model, size, seed, epochs, native=native, products=way)
                        for seed in seeds
                    ]
                )
    return planned


def main() -> None:
    """Measure what is asked for and print the table."""
    parser = options("Training and scoring beside the peers', on the same data and sizes.")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=list(BATCH_SIZES))
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 … N (1 with --quick)")
    parser.add_argument("--epochs", type=int, help="epochs at most, of early stopping")
    parser.add_argument("--no-native", action="store_true", help="leave the native kernel out")
    parser.add_argument(
        "--products", nargs="+", choices=PRODUCTS, default=["highest"], help="float32_products"
    )
    parser.add_argument("--fresh", action="store_true", help="measure the peers again too")
    parser.add_argument("--data", type=Path, help="a MovieLens folder; see docs")
    parser.add_argument(
        "--peers-home", type=Path, default=Path.home() / ".cache" / "intentflow-peers",
        help="where the peers are installed and their results kept",
    )  # fmt: skip
    arguments = parser.parse_args()
    measured, raw = commit(), source(arguments.data)
    with tempfile.TemporaryDirectory() as name:
        data = prepare(raw, Path(name))
        jobs = plan(arguments)
        lines = [lines_of(one, data, arguments.peers_home, arguments.fresh) for one in jobs]
    facts = {
        "commit": measured,
        "data": data.digest[:12],
        "rows": len(data.arrays["label"]),
        "threads": jobs[0][0].threads,
        "seeds": f"1–{len(jobs[0])}",
    }
    finish(shown(lines), arguments, facts, measured=lines)


if __name__ == "__main__":
    main()
