"""Drift is found where there is some, and seldom where there is none."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.assessment.drift_bins import MISSING, NEW, category_bins, number_bins, top_bins
from models.assessment.drift_detection import detect, effective_rows
from models.assessment.drift_noise import rounded_down
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import Window
from models.errors import SchemaError
from models.reports.drift_results import DRIFT_GROUPS
from tests.models.assessment.drift_shop import embeddings, window

SETTINGS = DriftSettings(resamples=200)
NOISE_ALONE = SETTINGS.model_copy(
    update={"minimum_effect": dict.fromkeys(DRIFT_GROUPS, 0.0), "many_values_effect": 0.0}
)
ITEMS, OTHER = embeddings(0), embeddings(1)


def drifted(reference: Window, current: Window, settings: DriftSettings = SETTINGS) -> list[str]:
    columns = detect(reference, current, settings).verdict.columns
    return [column.name for column in columns if column.drifted]


@pytest.mark.parametrize(
    ("planted", "column", "group"),
    [
        ({"price": 1.4}, "price", "features"),
        ({"price": 100.0}, "price", "features"),
        ({"click_rate": 0.28}, "label", "label"),
        ({"intent": (0.3, 0.25, 0.2, 0.15, 0.1)}, "intent_level", "intent"),
        ({"reversed_popularity": True}, "item_id", "features"),
        ({"reversed_popularity": True}, "embeddings of shown items", "embeddings"),
        ({"items": OTHER}, "embeddings of clicked items", "embeddings"),
        ({"items": embeddings(0, 16)}, "embeddings of shown items", "embeddings"),
        ({"good": False}, "AUC", "quality"),
        ({"good": False}, "calibration", "calibration"),
    ],
)
def test_planted_drifts_are_found_in_almost_every_sample(
    planted: dict[str, object], column: str, group: str
) -> None:
    found = []
    for k in range(6):
        reference = window(4000, k, items=ITEMS)
        current = window(2000, 50 + k, **({"items": ITEMS} | planted))  # type: ignore[arg-type]
        verdict = detect(reference, current, SETTINGS).verdict
        found.append(column in verdict.groups[group].columns)  # type: ignore[index]
    assert sum(found) >= 6


def test_windows_of_one_distribution_seldom_alarm() -> None:
    pairs = [(window(2000, k, items=ITEMS), window(1500, 500 + k, items=ITEMS)) for k in range(20)]
    assert sum(bool(drifted(*pair, NOISE_ALONE)) for pair in pairs) <= 2  # 3 of 20 at 2 %: < 1 %


def test_windows_of_few_rows_seldom_alarm() -> None:
    pairs = [(window(120, 100 + k), window(80, 500 + k)) for k in range(20)]
    assert sum(bool(drifted(*pair, NOISE_ALONE)) for pair in pairs) <= 2


def test_users_with_habits_are_no_drift_but_would_be_taken_for_it_row_by_row() -> None:
    alone = NOISE_ALONE.model_copy(update={"unit": None, "ignore": ("user_id",)})
    pairs = [
        (window(3000, 10 * k, users=150), window(3000, 10 * k + 5, users=150)) for k in range(12)
    ]
    assert sum(bool(drifted(*pair, NOISE_ALONE)) for pair in pairs) <= 2
    assert sum(bool(drifted(*pair, alone)) for pair in pairs) >= 10


def test_users_who_bring_more_rows_each_count_for_fewer() -> None:
    few, many = window(3000, 1, users=1500).rows, window(3000, 2, users=30).rows
    assert effective_rows(few, few, "user_id") == 3000
    assert 50 < effective_rows(few, many, "user_id") < 150
    assert effective_rows(many, few, "user_id") == 3000
    assert effective_rows(few, many, None) == 3000


def test_one_user_behind_a_third_of_the_rows_is_found() -> None:
    reference, current = window(6000, 1), window(6000, 2)
    crowd = current.rows.with_columns(
        user_id=pl.when(pl.int_range(pl.len()) % 3 == 0).then(7).otherwise("user_id")
    )
    assert drifted(reference, Window(crowd)) == ["user_id"]


def test_identifiers_without_drift_do_not_alarm() -> None:
    rng = np.random.default_rng(0)
    ids = [[f"i{n}" for n in rng.integers(0, 50_000, 4000)] for _ in range(2)]
    sides = [Window(pl.DataFrame({"item_id": side, "label": [0, 1] * 2000})) for side in ids]
    assert drifted(*sides, NOISE_ALONE) == []


def test_a_new_category_is_drift_whether_there_are_few_or_many() -> None:
    every_12th = pl.int_range(pl.len()) % 12 == 0
    for name, most in (("device", 3), ("brand", 12)):
        changed = window(3000, 2).rows.with_columns(
            pl.when(every_12th).then(pl.lit("watch")).otherwise(name).alias(name)
        )
        found = detect(window(3000, 1), Window(changed), SETTINGS)
        assert found.verdict.groups["features"].columns == (name,)
        change = found.changes[0]
        assert any(share.name.startswith(NEW[:-1]) for share in change.shares)
        values = change.examples[0].rows[:most]
        assert any(row[0] == "watch" for row in values)


def test_values_that_go_missing_are_drift() -> None:
    every_5th = pl.int_range(pl.len()) % 5 == 0
    for value in (float("nan"), None):
        gone = window(3000, 2).rows.with_columns(
            price=pl.when(every_5th).then(pl.lit(value, pl.Float64)).otherwise("price")
        )
        found = detect(window(3000, 1), Window(gone), SETTINGS)
        assert found.verdict.groups["features"].columns == ("price",)
        assert "price: missing values went from 0.0 % to 20.0 % of rows" in found.verdict.summary


def test_labels_that_are_not_there_yet_leave_quality_out() -> None:
    later = window(2000, 2).rows.with_columns(label=pl.lit(None, pl.Int8))
    verdict = detect(window(2000, 1), Window(later), SETTINGS).verdict
    assert not verdict.drifted
    assert verdict.groups["quality"].statistic is None
    assert verdict.groups["scores"].statistic is not None


def test_an_effect_too_small_to_matter_does_not_alarm() -> None:
    settings = SETTINGS.model_copy(update={"column_minimum_effect": {"price": 0.8}})
    assert drifted(window(3000, 1), window(3000, 2, price=1.4), settings) == []


def test_the_verdict_speaks_in_plain_words() -> None:
    found = detect(window(4000, 1), window(4000, 2, price=100, click_rate=0.28), SETTINGS)
    verdict = found.verdict
    assert "times as large: has its unit changed?" in verdict.groups["features"].sentence
    assert verdict.summary.startswith("The newest window has drifted in features, ")
    assert verdict.reasons[0].startswith("price went from mean ")
    assert verdict.columns[0].name == "price"
    assert " % clicked to " in verdict.groups["label"].sentence
    assert verdict.groups["semantic_ids"].sentence.startswith("Nothing past its threshold; sid_0")


def test_the_same_items_in_another_space_are_told_apart_from_other_items() -> None:
    reference = window(3000, 1, items=ITEMS)
    swapped = detect(reference, window(3000, 2, items=OTHER), SETTINGS)
    assert "come from another encoder" in swapped.verdict.groups["embeddings"].sentence
    wider = detect(reference, window(3000, 2, items=embeddings(0, 16)), SETTINGS)
    assert "another number of dimensions" in wider.verdict.groups["embeddings"].sentence
    others = detect(reference, window(3000, 2, items=ITEMS, reversed_popularity=True), SETTINGS)
    assert "items of another kind" in others.verdict.groups["embeddings"].sentence
    tables = [e for change in others.changes for e in change.examples if "typical" in e.title]
    assert any(cell.endswith("Thing 298") for table in tables for row in table.rows for cell in row)


def test_thresholds_are_kept_and_used_again_while_nothing_changed(tmp_path: Path) -> None:
    reference, current = window(2000, 1, items=ITEMS), window(1500, 2, items=ITEMS)
    first = detect(reference, current, SETTINGS, tmp_path)
    again = detect(reference, window(1490, 3, items=ITEMS), SETTINGS, tmp_path)
    assert (first.verdict.thresholds_reused, again.verdict.thresholds_reused) == (False, True)
    assert first.thresholds == again.thresholds
    (file,) = tmp_path.iterdir()
    for changed in (
        detect(window(2000, 9, items=ITEMS), current, SETTINGS, tmp_path),
        detect(reference, window(600, 2, items=ITEMS), SETTINGS, tmp_path),
        detect(reference, current, SETTINGS.model_copy(update={"false_alarms": 0.3}), tmp_path),
    ):
        assert not changed.verdict.thresholds_reused
    file.write_text('{"half": ')
    assert not detect(reference, current, SETTINGS, tmp_path).verdict.thresholds_reused
    assert detect(reference, current, SETTINGS, tmp_path).verdict.thresholds_reused


def test_sizes_are_rounded_down_by_less_than_a_tenth() -> None:
    for rows in (1, 2, 7, 50, 1000, 123_456):
        assert 0.9 * rows <= rounded_down(rows) + 1
        assert rounded_down(rows) <= rows


def test_too_few_rows_are_told_and_are_no_drift() -> None:
    found = detect(window(300, 1), window(10, 2, price=9.0), SETTINGS)
    assert not found.verdict.drifted
    assert (found.verdict.reference_rows, found.verdict.current_rows) == (300, 10)
    assert found.verdict.summary.startswith("Not enough rows")
    assert found.thresholds is None


def test_windows_of_different_columns_are_an_error() -> None:
    with pytest.raises(SchemaError, match="differ in their columns: price"):
        detect(window(100, 1), Window(window(100, 2).rows.drop("price")), SETTINGS)


def test_every_value_falls_into_the_bin_that_names_it() -> None:
    numbers = number_bins(pl.Series([1.0, 2, 3, 4, None]), 4)
    assert numbers.of(pl.Series([0.0, 1.5, 9, None, float("inf")])).tolist() == [0, 0, 3, 4, 4]
    assert numbers.names[0] == "up to 1.75"
    few = category_bins(pl.Series(["a", "b", None]), missing=True)
    assert few.of(pl.Series(["b", "c", None])).tolist() == [1, 2, 3]
    assert few.names == ("a", "b", NEW, MISSING)
    column = pl.Series(["x"] * 6 + ["y"] * 4 + ["z"])
    chosen = np.ones(11, bool)
    many = top_bins(column, chosen, SETTINGS, top=2, least_rows=5, missing=False)
    places = many.of(pl.Series(["x", "y", "never", None])).tolist()
    assert many.names[places[0]] == "x"
    assert many.names[places[1]].startswith("others, bucket")
    assert many.names[places[2]] == NEW
    assert places[3] == -1
    hashed = top_bins(column, chosen, SETTINGS, top=2, least_rows=5, missing=False, unseen=False)
    assert hashed.names[hashed.of(pl.Series(["never"]))[0]].startswith("others, bucket")
