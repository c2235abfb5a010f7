"""Every page: self-contained, without scripts, escaped, and saying what it was given."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.errors import CorruptArtifactError
from models.reports.blocks import table
from models.reports.evaluation import evaluate
from models.reports.page import Section, render_page
from models.reports.pages import (
    write_comparison_page,
    write_drift_page,
    write_evaluation_page,
    write_index_page,
    write_intent_page,
    write_tokenizer_page,
    write_validation_page,
)
from models.reports.verdicts import (
    Check,
    Comparison,
    DriftColumn,
    DriftVerdict,
    MetricDifference,
    ValidationVerdict,
)

HOSTILE = "<script>alert('1')</script> & \"quotes\""
VOID = {"meta", "br", "hr", "img", "link", "input", "rect", "line", "circle", "polyline", "polygon"}


class Balance(HTMLParser):
    """Fails on a tag that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(path: Path) -> tuple[str, str]:
    """Return a page's source and its words, after checking what every page must keep."""
    html = path.read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert not parser.seen & {"script", "link", "img", "iframe", "object", "form"}
    assert not re.search(r"https?://|url\(|@import|\son\w+=", html)
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        ET.fromstring(svg)
        assert "nan" not in svg
    return html, " ".join(" ".join(parser.words).split())


def validation(*, passed: bool) -> ValidationVerdict:
    checks = [
        Check(table="items", column="title", expectation="text is not empty", passed=True),
        Check(
            table="impressions",
            column="timestamp",
            expectation="times are UTC seconds",
            passed=passed,
            observed="" if passed else "times after the year 2100",
            unexpected_count=0 if passed else 1234,
            examples=() if passed else ("impression 17: 1714521600000", HOSTILE),
        ),
        Check(
            table="items",
            column="price",
            expectation="few prices are missing",
            severity="warning",
            passed=False,
            observed="2.3 %",
        ),
    ]
    return ValidationVerdict(passed=passed, checks=tuple(checks), rows={"items": 1000})


def semantic_ids(folder: Path) -> pl.DataFrame:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "item_id": np.arange(300),
            "code_0": random.integers(0, 9, 300),
            "code_1": random.integers(0, 9, 300),
            "collision": np.zeros(300, dtype=np.int64),
        }
    )
    frame.write_parquet(folder / "semantic_ids.parquet")
    return pl.DataFrame(
        {"item_id": np.arange(300), "title": [f"{HOSTILE} {i}" for i in range(300)]}
    )


def levels() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "level": [0, 1, 2],
            "low": [-0.2, 0.1, 0.4],
            "high": [0.1, 0.4, 0.7],
            "impressions": [600, 400, 0],
            "share": [0.6, 0.4, 0.0],
            "click_rate": [0.05, 0.25, None],
            "information": [0.01, 0.02, 0.0],
        }
    )


def test_evaluation_page_tells_the_whole_story(scene, history, tmp_path: Path) -> None:
    evaluation = evaluate(
        scene.data,
        base_probability=scene.base,
        champion_probability=scene.champion,
        bootstrap=30,
        seed=0,
    )
    path = write_evaluation_page(
        evaluation, history, tmp_path, HOSTILE, {"Commit": "abc1234", "Seed": 3}
    )
    html, words = read(path)
    assert path.name == "evaluation.html"
    assert HOSTILE in words
    assert "DAIAN cannot be told apart from the champion" in words
    assert f"{evaluation.metrics['auc'].value:.4f}" in words
    assert "JS 0.0" in words
    assert "Commit abc1234" in words
    for title in ("Comparison", "Ranking and calibration", "Intent", "Who it serves", "Training"):
        assert title in words
    assert len(html) < 200_000


def test_evaluation_page_needs_no_more_than_labels_and_scores(scene, tmp_path: Path) -> None:
    data = scene.data
    bare = type(data)(labels=data.labels, probability=data.probability, users=data.users)
    path = write_evaluation_page(evaluate(bare, bootstrap=0, seed=0), [], tmp_path, "Bare", {})
    _, words = read(path)
    assert "right order" in words
    for absent in ("Comparison", "Intent", "Training", "Who it serves"):
        assert absent not in words


def test_evaluation_page_of_a_single_class_still_renders(tmp_path: Path, scene) -> None:
    data = scene.data
    flat = type(data)(
        labels=np.zeros(len(data.labels), dtype=int),
        probability=data.probability,
        users=data.users,
        history_length=data.history_length,
        level=data.level,
    )
    evaluation = evaluate(flat, base_probability=scene.base, bootstrap=5, seed=0)
    _, words = read(write_evaluation_page(evaluation, [], tmp_path, "Flat", {}))
    assert "have the same label" in words


def test_training_curves_leave_gaps_for_missing_numbers(scene, tmp_path: Path) -> None:
    rows = [
        {"stage": "joint", "epoch": 0, "train/loss": 0.5, "valid/auc": None},
        {"stage": "joint", "epoch": 1, "train/loss": float("nan"), "valid/auc": 0.7123},
        {"stage": "joint", "epoch": 2, "train/loss": 0.3, "valid/auc": 0.7012},
    ]
    evaluation = evaluate(scene.data, bootstrap=0, seed=0)
    _, words = read(write_evaluation_page(evaluation, rows, tmp_path, "Curves", {}))
    assert "0.7123" in words  # the best epoch is labelled


def test_validation_page_names_table_column_count_and_rows(tmp_path: Path) -> None:
    _, words = read(write_validation_page(tmp_path, validation(passed=False)))
    assert "The data may not be used: 1 critical check failed of 3." in words
    assert "impressions.timestamp: times are UTC seconds" in words
    assert "1 234 rows do not meet it" in words
    assert "impression 17: 1714521600000" in words
    assert HOSTILE in words


def test_validation_page_lists_warnings_that_pass(tmp_path: Path) -> None:
    _, words = read(write_validation_page(tmp_path, validation(passed=True)))
    assert "The data may be used: no critical check of 3 failed, with 1 warning." in words


def test_a_validation_verdict_cannot_contradict_its_checks() -> None:
    with pytest.raises(ValueError, match="exactly when a critical check failed"):
        ValidationVerdict(passed=True, checks=validation(passed=False).checks)


def test_drift_page_puts_what_moved_first(tmp_path: Path) -> None:
    columns = [
        DriftColumn(
            name=f"field_{i}",
            group="feature",
            method="jensen-shannon",
            statistic=i / 100,
            threshold=0.1,
            drifted=i > 10,
        )
        for i in range(14)
    ]
    empty = DriftColumn(
        name=HOSTILE, group="score", method="none", statistic=None, threshold=0.1, drifted=False
    )
    verdict = DriftVerdict(
        drifted=True, columns=(*columns, empty), current_rows=9, reference_rows=8
    )
    _, words = read(write_drift_page(tmp_path, verdict))
    assert "The newest window has drifted: 3 of 15 columns" in words
    assert "The 2 columns that moved least are only in the table." in words
    assert words.index("field_13") < words.index("field_2")
    assert "9 newest rows against 8 reference rows" in words


def test_drift_page_of_windows_too_small_says_so(tmp_path: Path) -> None:
    verdict = DriftVerdict(drifted=False, reasons=("Not enough rows to compare.",))
    _, words = read(write_drift_page(tmp_path, verdict))
    assert "The windows were not compared. Not enough rows to compare." in words
    assert "No drift" not in words


@pytest.mark.parametrize(
    ("promote", "champion", "expected"),
    [
        (True, "daian-6", "Promote daian-7: it replaces daian-6."),
        (False, "daian-6", "Keep daian-6: daian-7 does not pass the gate."),
        (True, None, "Promote daian-7: there is no champion yet."),
    ],
)
def test_comparison_page_says_who_serves(
    tmp_path: Path, promote: bool, champion: str | None, expected: str
) -> None:
    gain = None if champion is None else 0.01
    comparison = Comparison(
        promote=promote,
        reasons=(HOSTILE,),
        challenger="daian-7",
        champion=champion,
        metrics=(MetricDifference(metric="auc", challenger=0.72, difference=gain, low=gain),),
    )
    _, words = read(write_comparison_page(tmp_path, comparison))
    assert expected in words
    assert HOSTILE in words


def test_intent_page_reads_its_artifact_folder(tmp_path: Path) -> None:
    levels().write_parquet(tmp_path / "levels.parquet")
    _, words = read(write_intent_page(tmp_path))
    assert "Users click most at level 2 (25.0 %) and least at level 1 (5.0 %)." in words


def test_intent_page_without_levels_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifactError, match=r"levels\.parquet"):
        write_intent_page(tmp_path)


def test_tokenizer_page_shows_what_shares_a_code(tmp_path: Path) -> None:
    items = semantic_ids(tmp_path)
    path = write_tokenizer_page(
        tmp_path,
        items,
        diagnostics={
            "fvu": 0.213,
            "utilisation": [0.9, 1.0],
            "churn": None,
            "usage": [[1] * 256, [2] * 256],
            "collision_histogram": {"1": 200},
        },
    )
    _, words = read(path)
    assert "variance lost (FVU) 0.2130" in words
    assert "usage" not in words
    assert "of 300 items have codes of their own before the collision code." in words
    assert HOSTILE in words
    assert "0.9000, 1.0000" in words


def test_index_page_links_what_there_is(tmp_path: Path) -> None:
    html, words = read(
        write_index_page(tmp_path, {"Evaluation": "../a b/evaluation.html"}, title="Run 7")
    )
    assert 'href="../a b/evaluation.html"' in html
    assert "Ranking, calibration, intent and groups" in words


def test_plain_strings_in_a_section_are_escaped() -> None:
    html = render_page(HOSTILE, [Section("One", HOSTILE)], facts={HOSTILE: HOSTILE})
    assert "<script>" not in html


def test_columns_of_numbers_are_aligned_right_and_gaps_shown_as_dashes() -> None:
    html = table(["Name", "Value"], [["a", 0.5], ["b", None], ["c", float("nan")]])
    assert html.count('class="number"') == 4
    assert html.count("–") == 2
