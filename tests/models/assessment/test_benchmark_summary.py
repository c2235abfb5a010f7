"""Means, deviations, RelaImpr and p-values by hand; and the tables they are written into."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.assessment.benchmark_grid import read_grid, write_grid
from models.assessment.benchmark_jobs import StoredCell
from models.assessment.benchmark_meter import Meter
from models.assessment.benchmark_settings import BenchmarkPlan
from models.assessment.benchmark_summary import benchmark_result, summarise
from models.reports.benchmark_results import BenchmarkResult, Cell
from models.reports.benchmark_tables import markdown, write_benchmark_tables
from models.reports.results import IntentFit, PopulationIntent


def cell(variant: str, seed: int, auc: float | None, *, js: float | None = None) -> Cell:
    population = PopulationIntent(
        name="broad", users=1, requests=1, true=[1.0], predicted=[1.0], js=js, js_of_average=None
    )
    fit = IntentFit(
        levels=1, requests=1, js=js, js_per_request=None, populations_known=True,
        populations=[population],
    )  # fmt: skip
    return Cell(
        variant=variant, seed=seed, key=f"{variant}{seed}", model=variant.split()[0],
        metrics={"auc": auc, "gauc": None if auc is None else auc - 0.1, "log_loss": 0.4},
        intent=None if js is None else fit, parameters=1000, seconds=10.0 * seed,
        cpu_seconds=9.0, peak_bytes=500_000_000, score_seconds=0.1, threads=1,
    )  # fmt: skip


def grid(variant: str, aucs: list[float], js: float | None = None) -> list[Cell]:
    return [cell(variant, seed, auc, js=js) for seed, auc in enumerate(aucs, start=1)]


BASE = [0.60, 0.61, 0.62, 0.63, 0.64]
MAIN = [0.65, 0.66, 0.67, 0.68, 0.69]


def test_mean_deviation_improvement_and_p_by_hand() -> None:
    rows = summarise([*grid("din", BASE), *grid("daian", MAIN, js=0.02)], "din", "daian")
    din, daian = rows
    assert (din.variant, daian.variant, din.seeds) == ("din", "daian", 5)
    assert daian.mean["auc"] == pytest.approx(0.67)
    assert daian.sd["auc"] == pytest.approx((0.001 / 4) ** 0.5)  # Σ(x - .67)² = .001
    assert daian.rela_impr["auc"] == pytest.approx((0.17 / 0.12 - 1) * 100)  # Eq. 24
    assert din.rela_impr["auc"] == pytest.approx(0)
    assert din.p["auc"] == pytest.approx(1 / 252)  # every run above every other: 1 of C(10, 5)
    assert daian.p == {"auc": None, "gauc": None}
    assert (daian.mean["js"], daian.mean["js/broad"]) == (0.02, 0.02)
    assert "js/broad" not in din.mean
    assert (din.mean["seconds"], din.mean["peak_bytes"]) == (30.0, 5e8)


def test_a_base_that_does_not_beat_chance_leaves_no_improvement() -> None:
    din, daian = summarise([*grid("din", [0.5, 0.5]), *grid("daian", [0.6, 0.7])], "din", "daian")
    assert din.rela_impr["auc"] is None
    assert daian.rela_impr["gauc"] is None


def test_one_seed_has_neither_deviation_nor_p() -> None:
    din, daian = summarise([cell("din", 1, 0.6), cell("daian", 1, 0.7)], "din", "daian")
    assert din.sd["auc"] is None
    assert din.p["auc"] is None
    assert daian.rela_impr["auc"] == pytest.approx(100)


def test_a_metric_that_does_not_exist_is_left_out_of_the_mean() -> None:
    (row,) = summarise([cell("din", 1, None), cell("din", 2, 0.6), cell("din", 3, 0.7)], "", "")
    assert row.mean["auc"] == pytest.approx(0.65)
    assert row.seeds == 3
    assert row.rela_impr == {"auc": None, "gauc": None}


def plan() -> BenchmarkPlan:
    return BenchmarkPlan.model_validate(
        {
            "name": "test", "title": "Test", "line": "shop", "dataset": {}, "encoder": {},
            "validation": {}, "names": {"dataset": "shop", "encoder": "minilm"},
            "intents": [{"levels": 6, "centre": True}, {"levels": 8, "centre": True}],
            "variants": [
                {"name": name, "model": {"model": "din"}, "intents": 0} for name in ("din", "daian")
            ],
            "seeds": [1, 2], "base": "din", "main": "daian", "examples_seed": 1, "jobs": "auto",
            "threads": 1, "keep_models": False, "allow_incomplete": False, "measure": True,
            "command": "intentflow benchmark test",
        }
    )  # fmt: skip


def stored(one: Cell) -> StoredCell:
    return StoredCell(
        cell=one, commit="0123456789abcdef0123456789abcdef01234567+", machine="a processor",
        finished_at=datetime(2024, 1, one.seed, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def result() -> BenchmarkResult:
    cells = [*grid("daian", [0.7, 0.7], js=0.03), cell("din", 1, 0.6)]
    missing = ["din, seed 2: the loss is not finite"]
    return benchmark_result(plan(), [*map(stored, cells)], missing, {"Data set": "shop"})


def test_the_facts_tell_what_reproduces_the_figures(result: BenchmarkResult) -> None:
    assert [(one.variant, one.seed) for one in result.cells] == [
        ("din", 1), ("daian", 1), ("daian", 2),
    ]  # fmt: skip
    facts = result.facts
    assert facts["Commit"] == "0123456789ab+"
    assert facts["Intents"] == "levels 6/8, centre True"
    assert facts["Measured"] == "2024-01-01 to 2024-01-02"
    assert (facts["Seeds"], facts["Machine"]) == ("1, 2", "a processor")
    assert facts["Settings"] == plan().digest


def test_how_it_is_run_does_not_change_what_it_is() -> None:
    assert plan().model_copy(update={"jobs": 7, "command": "other"}).digest == plan().digest
    assert plan().model_copy(update={"seeds": [1, 3]}).digest != plan().digest


def test_the_markdown_is_one_table_with_what_is_missing(result: BenchmarkResult) -> None:
    lines = markdown(result).splitlines()
    assert lines[0].startswith("| variant | seeds |")
    assert len({len(line) for line in lines[:4]}) == 1  # columns are aligned
    assert "0.7000 ± 0.0000" in lines[3]
    assert "+100.00 %" in lines[3]
    assert "JS broad" in lines[0]
    assert lines[7] == "- din, seed 2: the loss is not finite"
    assert "commit: 0123456789ab+" in " ".join(lines).lower()
    assert lines[-2] == "intentflow benchmark test"


def test_the_csv_has_every_number_in_full(result: BenchmarkResult, tmp_path: Path) -> None:
    write_benchmark_tables(result, tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "benchmark.csv").read_text())))
    assert [row["variant"] for row in rows] == ["din", "daian"]
    assert float(rows[1]["js/broad"]) == 0.03
    assert rows[0]["js/broad"] == ""
    cells = list(csv.DictReader(io.StringIO((tmp_path / "cells.csv").read_text())))
    assert [(row["variant"], row["seed"]) for row in cells] == [
        ("din", "1"), ("daian", "1"), ("daian", "2"),
    ]  # fmt: skip
    text = (tmp_path / "benchmark.json").read_text()
    assert BenchmarkResult.model_validate_json(text) == result


def test_cells_are_read_back_as_written(tmp_path: Path) -> None:
    cells = [stored(one) for one in grid("din", [0.6, 0.7], js=0.1)]
    assert write_grid(cells, ["x"], tmp_path)["training_seconds"] == 30.0
    assert read_grid(tmp_path) == (cells, ["x"])


def test_a_meter_goes_on_where_a_killed_process_stopped(tmp_path: Path) -> None:
    import torch

    cpu = torch.device("cpu")
    first = Meter(tmp_path / "spent.json")
    with first.running(cpu):
        sum(range(300_000))
        first.note()
        noted = first.seconds, first.cpu_seconds
        second = Meter(tmp_path / "spent.json")  # as if the first had been killed here
    assert (second.seconds, second.cpu_seconds) == noted
    assert second.seconds > 0
    assert second.peak_bytes > 50e6  # torch alone takes that
    assert not second.done
    with second.running(cpu):
        sum(range(300_000))
    assert second.seconds > noted[0]
    assert Meter(tmp_path / "spent.json").done
