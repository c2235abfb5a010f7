import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from models.data.datasets.dirty_rows import DirtyRows, Sample, Tally
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.example_settings import ExamplesConfig
from models.data.negatives import NegativesConfig
from models.data.schema import DatasetSpec, DirtyCount
from models.data.tables import Tables, TableScan
from models.errors import ConfigError, MissingDataError, ValidationFailedError
from models.reports.verdicts import ValidationVerdict
from models.settings import load_settings, parse_settings
from steps.adapters.expectation_settings import DEFAULT_CHECKS
from steps.adapters.great_expectations import ValidationConfig, require_valid, validate_tables

ROOT = Path(__file__).resolve().parents[3]
START = 1_700_000_000
EXAMPLES = ExamplesConfig(trigger="log")
SPEC = DatasetSpec(
    name="shop",
    item_text=("title",),
    item_fields=("category",),
    item_numeric=("price",),
    user_fields=("city",),
    context_fields=("device",),
    has_images=True,
)


def shop(images: Path) -> Tables:
    """Thirty days of a shop with nothing wrong: each impression follows clicks of its user."""
    rng = np.random.default_rng(0)
    items, users, rows = 40, 15, 600
    images.mkdir(exist_ok=True)
    for item in range(items):
        Image.new("RGB", (8, 8), (item, 0, 0)).save(images / f"{item}.png")
    events = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(users), 20),
            "item_id": rng.integers(0, items, users * 20),
            "timestamp": START + np.tile(np.arange(20), users) * 3600,
            "kind": ["click"] * (users * 20),
        }
    )
    shown = events.sample(rows, with_replacement=True, seed=0)
    return Tables(
        SPEC,
        items=pl.DataFrame(
            {
                "item_id": np.arange(items),
                "title": [f"thing {item}" for item in range(items)],
                "category": rng.choice(["a", "b"], items),
                "price": rng.lognormal(2, 1, items),
                "image_path": [f"{item}.png" for item in range(items)],
            }
        ),
        users=pl.DataFrame({"user_id": np.arange(users), "city": ["x"] * users}),
        impressions=pl.DataFrame(
            {
                "impression_id": np.arange(rows),
                "request_id": np.arange(rows),
                "user_id": shown["user_id"],
                "item_id": rng.integers(0, items, rows),
                "timestamp": START + 86_400 * 2 + np.arange(rows) * 1500,
                "label": (rng.random(rows) < 0.3).astype(np.int8),
                "trigger_item_id": shown["item_id"],
                "device": rng.choice(["app", "web"], rows),
            }
        ),
        behaviours=events,
    )


def changed(frame: pl.DataFrame, column: str, rows: int, value: object) -> pl.DataFrame:
    """The frame with ``value`` in the first ``rows`` rows of ``column``."""
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) < rows)
        .then(pl.lit(value))
        .otherwise(pl.col(column))
        .cast(frame.schema[column])
        .alias(column)
    )


def validate(
    tables: Tables | TableScan,
    folder: Path,
    config: ValidationConfig | None = None,
    examples: ExamplesConfig = EXAMPLES,
) -> dict[str, list[str]]:
    """The names of the failed checks by severity."""
    images = folder.parent / "images"
    validate_tables(tables, examples, config or ValidationConfig(), folder, images)
    verdict = json.loads((folder / "verdict.json").read_text())
    return {"critical": verdict["critical"], "warnings": verdict["warnings"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    tables = shop(folder / "images")
    validate(tables, folder / "validation")
    return folder


def spoilt(tables: Tables, images: Path) -> Tables:
    """The shop with one fault of almost every kind."""
    (images / "3.png").write_bytes(b"no picture")
    (images / "4.png").unlink()
    items = changed(tables.items, "title", 2, "  ")
    items = changed(items, "price", 1, float("nan"))
    items = items.with_columns(
        pl.when(pl.col("item_id") == 5).then(-1.0).otherwise(pl.col("price")).alias("price")
    )
    users = pl.concat([tables.users, tables.users.head(1)])
    impressions = changed(tables.impressions, "item_id", 7, 999)
    impressions = changed(impressions, "timestamp", 1, START * 1000)
    impressions = changed(impressions, "label", 3, 2)
    impressions = changed(impressions, "trigger_item_id", 2, 12_345)
    impressions = changed(impressions, "impression_id", 2, None)
    behaviours = changed(tables.behaviours, "user_id", 1, 777)
    return Tables(SPEC, items, users, impressions, changed(behaviours, "kind", 1, ""))


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    images = folder / "images"
    validate(spoilt(shop(images), images), folder / "validation")
    return folder / "validation"


def test_sound_tables_pass_every_check(good: Path) -> None:
    verdict = ValidationVerdict.model_validate_json(
        (good / "validation" / "verdict.json").read_bytes()
    )
    assert verdict.passed
    assert not verdict.warnings
    assert {check.table for check in verdict.checks} == set(verdict.rows)
    require_valid(good / "validation")


def test_every_check_but_the_derived_trigger_was_made(good: Path) -> None:
    verdict = json.loads((good / "validation" / "verdict.json").read_text())
    made = {check["name"] for check in verdict["checks"]}
    assert set(DEFAULT_CHECKS) - made == {"impressions.trigger.derived"}


def test_each_fault_fails_its_own_check(bad: Path) -> None:
    verdict = json.loads((bad / "verdict.json").read_text())
    assert set(verdict["critical"]) == {
        "items.text.not_empty",
        "items.numeric.finite",
        "items.numeric.range",
        "items.image_path.readable",
        "users.user_id.unique",
        "impressions.impression_id.not_null",
        "impressions.item_id.known",
        "impressions.timestamp.seconds",
        "impressions.timestamp.not_future",
        "impressions.label.values",
        "impressions.trigger.known",
        "behaviours.user_id.known",
    }
    assert set(verdict["warnings"]) == {
        "items.image_path.all_readable",
        "behaviours.kind.not_empty",
    }


def test_the_error_names_table_column_count_rows_and_remedy(bad: Path) -> None:
    with pytest.raises(ValidationFailedError) as error:
        require_valid(bad)
    text = str(error.value)
    assert "12 critical checks failed" in text
    assert "table impressions, column item_id: every value stands in items" in text
    assert "7 of 600" in text
    assert text.count("item_id=999, impression_id=") == 5
    assert "image_path='4.png', problem='no such file'" in text
    assert f"timestamp={START * 1000}" in text
    assert "price=nan" in text
    assert "price=-1.0" in text
    assert "do: Set the unit of the timestamps" in text
    assert "allowed: values 0, 1" in text


def test_a_log_longer_than_max_rows_is_found_wrong_in_the_same_rows(
    bad: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    scan = spoilt(shop(images), images).scan()
    validate(scan, tmp_path / "scan", ValidationConfig(max_rows=200))
    whole, passes = (
        json.loads((folder / "verdict.json").read_text()) for folder in (bad, tmp_path / "scan")
    )
    assert passes["rows"] == whole["rows"] == {**whole["rows"], "impressions": 600}
    assert "checked on every row; repeated rows, requests" in passes["note"]
    assert not whole["note"]
    sampled = {
        check["name"] for check in passes["checks"] if "1 in 3 users" in check["expectation"]
    }
    assert sampled == {
        "impressions.repeated",
        "impressions.request.one_user",
        "impressions.label.leak",
        "impressions.trigger.in_history",
        "impressions.history.strictly_before",
        "impressions.history.coverage",
        "behaviours.repeated",
    }
    for one, other in zip(whole["checks"], passes["checks"], strict=True):
        assert one["name"] == other["name"]
        if one["name"] not in sampled:
            same = ("passed", "unexpected_count", "examples")
            assert [one[key] for key in same] == [other[key] for key in same], one["name"]
    page = (tmp_path / "scan" / "validation.html").read_text()
    assert "larger than max_rows" in page


def test_rows_left_out_when_files_were_read_are_on_the_page(good: Path, tmp_path: Path) -> None:
    tables = shop(good / "images")
    count = DirtyCount(table="impressions", column="shown_at", reason="is no number", rows=1234)
    sample = Sample("log.csv", 77, "shown_at", "<b>soon", "is no number")
    tally = Tally("impressions", DirtyRows(policy="drop"), samples=[sample])
    spec = tables.spec.model_copy(update={"dirty_rows": (count,)})
    dirty = replace(tables, spec=spec, dirty_rows=tally.frame())
    assert validate(dirty, tmp_path / "validation")["critical"] == ["items.image_path.readable"]
    page = (tmp_path / "validation" / "validation.html").read_text()
    for words in ("Dirty rows", "1 of the 1,234 dirty rows", "log.csv, row 77", "&lt;b&gt;soon"):
        assert words in page


def test_a_verdict_that_was_not_made_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="not validated"):
        require_valid(tmp_path)


def test_labels_that_a_feature_gives_away_are_found(good: Path, tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    device = pl.when(pl.col("label") == 1).then(pl.lit("app")).otherwise(pl.lit("web"))
    leaking = replace(tables, impressions=tables.impressions.with_columns(device.alias("device")))
    found = validate(leaking, tmp_path / "validation")
    assert found["critical"] == ["impressions.label.leak"]
    with pytest.raises(ValidationFailedError, match=r"feature='impressions.device', auc=1.0"):
        require_valid(tmp_path / "validation")


def test_one_user_one_class_and_no_trigger_are_found(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    impressions = tables.impressions.with_columns(
        pl.lit(0, pl.Int64).alias("user_id"),
        pl.lit(1, pl.Int8).alias("label"),
        pl.lit(None, pl.Int64).alias("trigger_item_id"),
    )
    found = validate(replace(tables, impressions=impressions), tmp_path / "validation")
    assert set(found["critical"]) == {
        "impressions.user_id.active",
        "impressions.label.both_classes",
        "impressions.label.rate",
        "impressions.trigger.present",
    }


def test_clicks_alone_are_fit_where_negatives_are_drawn(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    clicks = replace(tables, impressions=tables.impressions.filter(pl.col("label") == 1))
    refused = validate(clicks, tmp_path / "refused")["critical"]
    assert refused == ["impressions.label.both_classes", "impressions.label.rate"]
    drawn = EXAMPLES.model_copy(update={"negatives": NegativesConfig(kind="uniform")})
    assert validate(clicks, tmp_path / "drawn", examples=drawn)["critical"] == []


def test_clicks_logged_before_what_they_click_are_found(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    clicks = tables.impressions.filter(pl.col("label") == 1)
    early = clicks.select("user_id", "item_id", pl.col("timestamp") - 2, kind=pl.lit("click"))
    behaviours = pl.concat([tables.behaviours, early])
    found = validate(replace(tables, behaviours=behaviours), tmp_path / "validation")
    assert found["critical"] == ["impressions.history.strictly_before"]
    on_time = early.with_columns(pl.col("timestamp") + 2)
    fixed = replace(tables, behaviours=pl.concat([tables.behaviours, on_time]))
    assert validate(fixed, tmp_path / "fixed")["critical"] == []


def test_a_missing_column_and_a_wrong_type_end_the_checks_early(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    wrong = replace(
        tables,
        impressions=tables.impressions.drop("label"),
        items=tables.items.with_columns(pl.col("price").cast(pl.String)),
    )
    found = validate(wrong, tmp_path / "validation")
    assert set(found["critical"]) == {"impressions.columns", "items.types"}
    with pytest.raises(ValidationFailedError, match="missing_column='label'") as error:
        require_valid(tmp_path / "validation")
    assert "column='price', type='String', expected='number'" in str(error.value)


def test_severity_and_threshold_come_from_the_configuration(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    short = replace(tables, items=changed(tables.items, "price", 1, -5.0))
    config = ValidationConfig.model_validate(
        {
            "checks": {
                "items.numeric.range": {"severity": "warning"},
                "impressions.rows": {"min": 1000},
                "impressions.label.leak": {"severity": "skip"},
            }
        }
    )
    found = validate(short, tmp_path / "validation", config)
    assert found == {"critical": ["impressions.rows"], "warnings": ["items.numeric.range"]}
    verdict = (tmp_path / "validation" / "verdict.json").read_text()
    assert "impressions.label.leak" not in verdict


def test_a_derived_trigger_needs_events_before_impressions(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    examples = ExamplesConfig(trigger="derived", trigger_window_s=60)
    found = validate(tables, tmp_path / "validation", examples=examples)
    assert found["critical"] == ["impressions.trigger.derived"]


def test_ids_may_be_text(tmp_path: Path) -> None:
    tables = shop(tmp_path / "images")
    names = ["user_id", "item_id", "trigger_item_id"]
    as_text = {
        name: getattr(tables, name).with_columns(
            pl.col(column).cast(pl.String)
            for column in names
            if column in getattr(tables, name).columns
        )
        for name in ("items", "users", "impressions", "behaviours")
    }
    assert validate(Tables(SPEC, **as_text), tmp_path / "v") == {"critical": [], "warnings": []}


def test_data_docs_need_no_script_and_no_network(bad: Path) -> None:
    pages = sorted((bad / "data_docs").rglob("*.html"))
    assert len(pages) == 1 + 5 + 5
    for page in pages:
        html = page.read_text()
        assert not re.search(r"<script|<link|@import|url\(|src=", html), page
        for target in re.findall(r'href="([^"#]+)"', html):
            local = page.parent / target
            assert target.startswith("https://greatexpectations.io") or local.is_file(), target


def test_data_docs_list_what_was_validated_and_what_failed(bad: Path) -> None:
    index = (bad / "data_docs" / "index.html").read_text()
    assert index.count("fa-times text-danger") == 5  # each of the five tables has a fault
    assert "across_tables" in index
    (items,) = (bad / "data_docs" / "validations" / "items").rglob("*.html")
    html = items.read_text()
    assert "2 unexpected values found" in html
    assert "<style>" in html


def test_the_page_says_first_that_the_data_may_not_be_used(bad: Path) -> None:
    html = (bad / "validation.html").read_text()
    assert "The data may not be used: 12 critical checks failed" in html
    assert "<script" not in html


@pytest.mark.slow
def test_the_shipped_ratings_pass(tmp_path: Path) -> None:
    config = load_settings(
        DatasetConfig, ROOT / "configs" / "datasets" / "movielens_latest_small.yaml"
    )
    if not (ROOT / config.settings["path"]).is_dir():
        pytest.skip("the ratings were not pulled: dvc pull")
    tables = load_dataset(config, ROOT)
    found = validate(tables, tmp_path / "validation", examples=config.examples)
    assert found == {"critical": [], "warnings": []}


def test_the_configuration_file_lists_every_check_with_its_default() -> None:
    config = load_settings(ValidationConfig, ROOT / "configs" / "validation" / "default.yaml")
    assert list(config.checks) == list(DEFAULT_CHECKS)
    assert {name: config.check(name) for name in DEFAULT_CHECKS} == DEFAULT_CHECKS
    assert config.model_copy(update={"checks": {}}) == ValidationConfig()


def test_a_misspelt_check_is_an_error_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'items.rows'"):
        parse_settings(ValidationConfig, {"checks": {"item.rows": {"min": 1}}}, "validation")
