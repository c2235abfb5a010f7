"""A benchmark's settings are complete, and every mistake in them is told before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from models.assessment.benchmark_settings import BenchmarkPlan
from models.errors import ConfigError
from models.settings import parse_settings, read_yaml
from pipelines.__main__ import main
from pipelines.benchmark_plan import BenchmarkConfig, plan_benchmark, read_benchmark
from pipelines.plan import check_file

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "pipelines"
SHIPPED = [path for path in sorted(CONFIGS.glob("*.yaml")) if "variants" in path.read_text()]


def plan(**given: Any) -> BenchmarkPlan:
    values = {"variants": ["din", "daian"], "base": "din", "main": "daian", **given}
    return plan_benchmark(parse_settings(BenchmarkConfig, values, "test"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_goes_by_its_own_name(path: Path) -> None:
    found = check_file(path)
    assert isinstance(found, BenchmarkPlan)
    assert found.name == path.stem
    assert found.command.endswith(f" configs/pipelines/{path.name}")


def test_the_papers_tables_and_figure_are_shipped() -> None:
    table, ablation, levels = (
        check_file(CONFIGS / f"daian_{name}.yaml") for name in ("table1", "ablation", "levels")
    )
    assert isinstance(table, BenchmarkPlan)
    assert isinstance(ablation, BenchmarkPlan)
    assert isinstance(levels, BenchmarkPlan)
    assert {one.model.model for one in table.variants} == {
        "din", "dien", "poso", "mwuf", "dihn", "dian", "dei2n", "daian",
    }  # fmt: skip
    parts = ("uim", "die", "sein", "three_stage")
    switched = [[one.model.settings[part] for part in parts] for one in ablation.variants]
    assert switched == [[place != off for place in range(4)] for off in (-1, 0, 1, 2, 3)]
    assert [one["levels"] for one in levels.intents if one["levels"] != 6] == [
        2, 3, 4, 5, 8, 10, 12, 16, 20,
    ]  # fmt: skip
    # What two files share has equal settings, so that it is measured once.
    named = {one.name: one.model for one in table.variants}
    assert named["daian"] == ablation.variants[0].model


@pytest.mark.parametrize("name", ["daian_million", "daian_homes"])
def test_the_million_compares_rivals_and_parts_under_one_training(name: str) -> None:
    found = check_file(CONFIGS / f"{name}.yaml")
    assert isinstance(found, BenchmarkPlan)
    wanted = {"dien", "dian", "dihn", "din", "dei2n", "daian"}
    wanted |= {f"w/o {part}" for part in ("UIM", "DIE", "SEIN", "three-stage")}
    assert wanted <= {one.name for one in found.variants}
    own_rate = {"dian"} if name == "daian_homes" else set[str]()
    assert len({one.model.training for one in found.variants if one.name not in own_rate}) == 1
    assert found.dataset["settings"]["requests"] == 135_000


def test_a_variants_own_keys_come_before_the_common_ones_and_those_before_the_files() -> None:
    own = {"name": "small", "model": "daian", "training": {"max_epochs": 1}}
    mine = {"heads": 2, "dropout": 0.25}
    found = plan(
        variants=["din", {**own, "settings": mine, "intents": {"levels": 8}}],
        settings={"attention_hidden": 8, "dropout": 0.5},
        training={"max_epochs": 3, "batch_size": 77},
        main="small",
    )
    din, small = found.variants
    assert (din.model.training.max_epochs, din.model.training.batch_size) == (3, 77)
    assert (small.model.training.max_epochs, small.model.training.batch_size) == (1, 77)
    assert (din.model.settings["attention_hidden"], din.model.settings["dropout"]) == (8, 0.5)
    assert (small.model.settings["attention_hidden"], small.model.settings["dropout"]) == (8, 0.25)
    assert small.model.settings["heads"] == 2
    assert small.model.settings["intent_width"] == 128  # the model's default is filled in
    assert [one["levels"] for one in found.intents] == [6, 8]
    assert (din.intents, small.intents) == (0, 1)


def test_a_sweep_takes_the_place_of_its_variant() -> None:
    sweep = {"variant": "daian", "key": "settings.dropout", "values": [0, 0.5]}
    found = plan(sweep=sweep, main="daian dropout=0.5")
    assert [one.name for one in found.variants] == ["din", "daian dropout=0", "daian dropout=0.5"]
    assert [one.model.settings["dropout"] for one in found.variants[1:]] == [0, 0.5]


DAIAN = {"name": "x", "model": "daian"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"variants": []}, "variants"),
        ({"variants": ["din", "dain"]}, "daian"),
        ({"variants": ["din", "din"]}, "named more than once: din"),
        ({"seeds": [1, 1]}, "named more than once: 1"),
        ({"seeds": []}, "seeds"),
        ({"base": "dien"}, "base = 'dien' is none of the variants: din, daian"),
        ({"main": "dien"}, "main = 'dien'"),
        ({"variants": ["din", {"name": "a|b", "model": "din"}]}, "a|b"),
        ({"variants": ["din", {**DAIAN, "setings": {}}]}, "did you mean|setings"),
        ({"variants": ["din", {**DAIAN, "settings": {"hedas": 2}}], "main": "x"}, "hedas"),
        ({"variants": ["din", {**DAIAN, "settings": {"heads": 3}}], "main": "x"}, "no multiple"),
        ({"variants": ["din", {**DAIAN, "intents": {"levels": 1}}], "main": "x"}, "levels"),
        ({"training": {"max_epoch": 2}}, "max_epoch"),
        ({"jobs": 0}, "jobs"),
        ({"dataset": "movielens_latst_small"}, "movielens_latest_small"),
        ({"sweep": {"variant": "mwuf", "key": "intents.levels", "values": [2, 3]}}, "mwuf"),
        ({"sweep": {"variant": "daian", "key": "levels", "values": [2, 3]}}, "sweep.key"),
        ({"sweep": {"variant": "daian", "key": "intents.levls", "values": [2, 3]}}, "levls"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        plan(**given)
    assert any(word in str(raised.value) for word in told.split("|")) or told in str(raised.value)


def test_a_wrong_variant_is_told_with_its_name_and_file() -> None:
    with pytest.raises(ConfigError, match=r"variant 'x' of benchmark .*daian\.yaml"):
        plan(variants=["din", {**DAIAN, "settings": {"hedas": 2}}], main="x")


def test_a_key_that_zenml_would_ignore_is_an_error(tmp_path: Path) -> None:
    values = read_yaml(CONFIGS / "daian_smoke.yaml")
    values["paramters"] = {}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ConfigError, match="paramters"):
        check_file(path)


def test_a_file_of_another_pipeline_is_refused_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="names no variants"):
        read_benchmark(CONFIGS / "smoke.yaml")
    assert main(["benchmark", "smoke"]) == 2
    assert capsys.readouterr().err.startswith("error: This file names no variants")


def test_the_check_tells_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(CONFIGS / "daian_table1.yaml")]) == 0
    assert "9 variants x 5 seeds: din, dien" in capsys.readouterr().out
