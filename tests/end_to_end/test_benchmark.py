"""The benchmark, really run: the grid, its report, what a second run and a killed one do."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from zenml.client import Client

from models.assessment.benchmark_jobs import CellJob, StoredCell, read_cell
from models.assessment.benchmark_runs import run_cells
from models.reports.benchmark_results import BenchmarkResult
from steps.adapters.benchmark_cells import cells_folder
from steps.adapters.dvc_records import run_record
from steps.adapters.workspace import local, state_folder

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SMOKE = "configs/pipelines/daian_smoke.yaml"
VARIANTS = ["din_tiny", "daian_tiny, 4 levels"]
PATIENCE_S = 120


def run_smoke() -> str:
    """Run the benchmark; return the run's name."""
    from pipelines.benchmark import benchmark

    return benchmark.with_options(config_path=SMOKE)().name  # type: ignore[union-attr]


def report_of(run: str) -> Path:
    step = Client().get_pipeline_run(run).steps["report_benchmark"]
    return local(step.outputs["benchmark"][0].load())


def written() -> dict[str, int]:
    return {p.parent.name: p.stat().st_mtime_ns for p in cells_folder().glob("*/cell.json")}


@pytest.fixture(scope="module")
def first() -> str:
    return run_smoke()


@pytest.fixture(scope="module")
def result(first: str) -> BenchmarkResult:
    text = (report_of(first) / "benchmark.json").read_text(encoding="utf-8")
    return BenchmarkResult.model_validate_json(text)


def test_every_variant_is_measured_with_every_seed(result: BenchmarkResult) -> None:
    assert [(one.variant, one.seed) for one in result.cells] == [
        (name, seed) for name in VARIANTS for seed in (1, 2)
    ]
    assert len({one.key for one in result.cells}) == 4
    assert not result.incomplete
    for one in result.cells:
        assert 0 < (one.metrics["auc"] or 0) < 1
        assert one.parameters > 1000
        assert one.cpu_seconds > 0
        assert 50e6 < one.peak_bytes < 2e9
        assert (one.intent is not None) == one.variant.startswith("daian")
        assert one.intent is None or one.intent.levels == 4
    assert [row["stage"] for row in result.cells[-1].history] == ["uim", "die", "joint"]


def test_the_report_is_whole_and_zenml_shows_its_figures(
    first: str, result: BenchmarkResult
) -> None:
    folder = report_of(first)
    files = ("benchmark.html", "benchmark.md", "benchmark.csv", "cells.csv")
    assert all((folder / name).stat().st_size > 300 for name in files)
    step = Client().get_pipeline_run(first).steps["report_benchmark"]
    metadata = step.outputs["benchmark"][0].run_metadata
    assert metadata["din_tiny/auc"] == result.rows[0].mean["auc"]
    assert metadata["daian_tiny, 4 levels/gauc"] == result.rows[1].mean["gauc"]
    kinds = {path.path.split("/")[1] for path in run_record(state_folder(), first).artifacts}
    assert {"benchmark", "benchmark_cells", "examples", "intents"} <= kinds


def test_no_model_and_no_checkpoint_is_left(first: str) -> None:
    kept = {path.name for path in cells_folder().glob("*/*")}
    assert kept == {"cell.json", "job.json", "lock", "log.txt", "spent.json"}


def test_a_second_run_trains_nothing(first: str, result: BenchmarkResult) -> None:
    before = written()
    again = report_of(run_smoke())
    assert written() == before
    assert again == report_of(first)


def job_of(result: BenchmarkResult, variant: str) -> tuple[CellJob, StoredCell]:
    key = next(one.key for one in result.cells if one.variant == variant)
    folder = cells_folder() / key
    stored = read_cell(folder)
    assert stored is not None
    return CellJob.model_validate_json((folder / "job.json").read_bytes()), stored


def is_locked(folder: Path) -> bool:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(reached: object, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain until {what}")
        time.sleep(0.01)


DRIVER = """
import json, sys
from pathlib import Path
from models.assessment.benchmark_jobs import CellJob
from models.assessment.benchmark_runs import run_cells
run_cells([CellJob.model_validate(json.loads(sys.argv[1]))], Path(sys.argv[2]), 1)
"""


def test_a_killed_cell_ends_with_its_benchmark_and_then_comes_out_the_same(
    result: BenchmarkResult, tmp_path: Path, project
) -> None:
    job, undisturbed = job_of(result, VARIANTS[1])
    folder = tmp_path / job.key
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, job.model_dump_json(), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(project.root)},
    )
    wait_until((folder / "resume").is_dir, "the training begins")
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not is_locked(folder), "the cell's process has ended too")
    assert read_cell(folder) is None

    hopeless = job.model_copy(
        update={
            "key": "hopeless",
            "variant": "hopeless",
            "model": job.model.model_copy(update={"model": "dain"}),
        }
    )
    changed = job.model_copy(update={"key": "changed", "code": "another"})
    runs = run_cells(
        [hopeless, changed, job, job], tmp_path, 2, is_current=lambda one: one.code == job.code
    )
    again = runs.found[job.key].cell
    assert again.metrics == undisturbed.cell.metrics
    assert again.history == undisturbed.cell.history
    assert set(runs.failed) == {"hopeless", "changed"}
    assert "The code was changed" in runs.failed["changed"]
    assert "No CTR model is named 'dain'." in runs.failed["hopeless"]
    assert "log.txt" in runs.failed["hopeless"]
    assert json.loads((tmp_path / "hopeless" / "failure.json").read_text())["what"]


def test_a_report_so_far_trains_nothing(result: BenchmarkResult, tmp_path: Path) -> None:
    job, _ = job_of(result, VARIANTS[0])
    other = job.model_copy(update={"key": "other"})
    runs = run_cells([job, other], cells_folder(), 1, measure=False)
    assert set(runs.found) == {job.key}
    assert runs.failed == {"other": "not finished yet"}
    assert not (cells_folder() / "other").exists()
