"""A benchmark's report: its tables as JSON, Markdown and CSV, and a page to read."""

from collections.abc import Mapping
from pathlib import Path

from models.artifacts import Scalar, read_manifest
from models.assessment.benchmark_grid import read_grid
from models.assessment.benchmark_settings import BenchmarkPlan
from models.assessment.benchmark_summary import benchmark_result
from models.data.examples import ExampleStore
from models.errors import TrainingError
from models.reports.benchmark_page import write_benchmark_page
from models.reports.benchmark_results import BenchmarkResult
from models.reports.benchmark_tables import write_benchmark_tables

SPLITS = ("train", "valid", "test")


def write_report(plan: BenchmarkPlan, folders: Mapping[str, Path], into: Path) -> dict[str, Scalar]:
    """Write tables and page into ``into``; return the figures a summary shows.

    Args:
        plan: The benchmark.
        folders: The artifacts ``cells`` and ``examples``.
        into: Receives the files.
    """
    found, missing = read_grid(folders["cells"])
    result = benchmark_result(plan, found, missing, data_facts(plan, folders["examples"]))
    write_benchmark_tables(result, into)
    write_benchmark_page(result, into)
    return _headline(result)


def data_facts(plan: BenchmarkPlan, examples: Path) -> dict[str, str]:
    """Return which data the models were trained and tested on."""
    store = ExampleStore.open(examples)
    return {
        "Data set": plan.names["dataset"],
        "Examples": read_manifest(examples).content_hash[:12],
        **{f"Rows of {split}": f"{len(store.rows(split)):,}" for split in SPLITS},
    }


def require_complete(plan: BenchmarkPlan, cells: Path, report: Path) -> None:
    """Raise `TrainingError` where cells are missing that the benchmark may not do without."""
    _, missing = read_grid(cells)
    if missing and plan.measure and not plan.allow_incomplete:
        raise TrainingError(
            f"{len(missing)} cells of the benchmark are missing: " + "; ".join(missing),
            where=str(report),
            do="Correct what their logs tell and run it again: finished cells are kept. With "
            "allow_incomplete: true in the file, a report without them is good enough.",
        )


def _headline(result: BenchmarkResult) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {"cells": len(result.cells), "missing": len(result.incomplete)}
    for row in result.rows:
        flat |= {f"{row.variant}/{name}": row.mean.get(name) for name in ("auc", "gauc")}
        flat |= {f"{row.variant}/p_{name}": value for name, value in row.p.items()}
    return flat
