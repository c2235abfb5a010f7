"""Rows that cannot be used are counted as a plain loop counts them, and leave the others alone."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.data.datasets import staging
from models.data.datasets.dirty_rows import DirtyRows, Sample, Tally
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.tables import Tables, TableScan, read_tables, scan_tables, write_tables
from models.errors import DataError, SchemaError

HEADER = "user_id,item_id,timestamp,label"
KINDS: dict[str, tuple[str, str, str]] = {  # a line, the column at fault, the reason
    "good": ("ann,1,1700000000,1", "", ""),
    "other": ("bob,2,1700000009.5,0", "", ""),
    "no id": (",1,1700000000,1", "user_id", "is empty"),
    "blank id": ("ann,  ,1700000000,1", "item_id", "is empty"),
    "no time": ("ann,1,,1", "timestamp", "is empty"),
    "text for time": ("ann,1,soon,1", "timestamp", "is no number"),
    "ms": ("ann,1,1700000000000,1", "timestamp", "is no time between 1990 and 2100 in s"),
    "label": ("ann,1,1700000000,maybe", "label", "is no label"),
    "two faults": (",1,soon,maybe", "user_id", "is empty"),
    "short": ("ann,1,1700000000", "", "has 3 cells, the header 4"),
    "long": ("ann,1,1700000000,1,1,1", "", "has 6 cells, the header 4"),
    "quote": ('ann,1,"17"00000000,1', "", "has a quote inside a cell"),
}
LINES = st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dirty")
    (root / "shop").mkdir()
    (root / "shop/items.csv").write_text("item_id,title\n1,cup\n2,pot\n")
    return root


def load(root: Path, file: str = "log.csv", in_memory: bool = True, **dirty: Any) -> Any:
    values = {
        "name": "shop",
        "path": "shop",
        "items": {"files": "items.csv"},
        "impressions": {"files": file},
        "item_text": ["title"],
        "dirty_rows": dirty,
        "max_in_memory_mb": 256 if in_memory else 0,
    }
    return load_dataset(DatasetConfig(adapter="generic", settings=values), root)


def write_log(root: Path, kinds: list[str]) -> None:
    lines = [HEADER, *(KINDS[kind][0] for kind in kinds)]
    (root / "shop/log.csv").write_text("\n".join(lines) + "\n")


@settings(max_examples=40, deadline=None)
@given(kinds=LINES, in_memory=st.booleans(), many=st.booleans())
def test_dirty_rows_are_counted_shown_and_left_out(
    root: Path, kinds: list[str], in_memory: bool, many: bool
) -> None:
    kinds = ["good", *kinds]
    write_log(root, kinds)
    with pytest.MonkeyPatch.context() as patch:
        if many:
            patch.setattr(staging, "_MANY", 0)  # so many suspects that every row is looked at
        tables = load(root, in_memory=in_memory, policy="drop", max_share=1, samples=3)
    dirty = [(row, *KINDS[kind]) for row, kind in enumerate(kinds, 1) if KINDS[kind][2]]
    expected = Counter((column, reason) for _, _, column, reason in dirty)
    found = {(count.column, count.reason): count.rows for count in tables.spec.dirty_rows}
    assert found == dict(expected)
    assert tables.spec.facts["impressions_read"] == len(kinds)
    good = [KINDS[kind][0].split(",") for kind in kinds if not KINDS[kind][2]]
    assert isinstance(tables, Tables if in_memory else TableScan)
    shown = tables.collect().impressions
    assert shown["user_id"].to_list() == [user for user, *_ in good]
    assert shown["impression_id"].to_list() == list(range(len(good)))
    samples = [(row, column, reason) for row, _, column, reason in dirty]
    kept = [s for i, s in enumerate(samples) if [t[1:] for t in samples[:i]].count(s[1:]) < 3]
    assert tables.dirty_rows.select("row", "column", "reason").rows() == kept


def test_fatal_is_the_default_and_names_the_first(root: Path) -> None:
    write_log(root, ["good", "label", "ms", "good", "ms"])
    with pytest.raises(SchemaError) as error:
        load(root)
    assert error.value.what == (
        "Value '1700000000000' of column 'timestamp' is no time between 1990 and 2100 in s; "
        "it looks like ms: set time_unit: ms (2 such rows)."
    )
    assert error.value.where.endswith("log.csv, row 3, column timestamp")
    write_log(root, ["good", "good", "short", "label"])
    with pytest.raises(DataError, match="cannot be read: row 3 has 3 cells, the header 4") as bad:
        load(root)
    assert "dirty_rows: {policy: drop}" in bad.value.do


def test_more_than_the_allowed_share_is_fatal_and_says_what(root: Path) -> None:
    write_log(root, ["good"] * 97 + ["label", "ms", "ms"])
    with pytest.raises(SchemaError) as error:
        load(root, policy="drop", max_share=0.02)
    assert error.value.what == (
        "3 of 100 rows of table 'impressions' (3 %) are dirty: column timestamp is no time between "
        "1990 and 2100 in s (2); column label is no label (1)."
    )
    assert error.value.where == "log.csv, row 98, column label"
    assert load(root, policy="drop", max_share=0.03).impressions.height == 97


def test_json_lines_count_like_csv(root: Path) -> None:
    rows: list[Any] = [{"user_id": f"u{i}", "item_id": 1 + i % 2} for i in range(20)]
    rows = [{**row, "timestamp": 1_700_000_000 + i, "label": True} for i, row in enumerate(rows)]
    rows[3], rows[5] = '{"user_id": ', "[]"
    rows[7] = {**rows[7], "timestamp": "soon"}
    rows[9] = {**rows[9], "item_id": None}
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (root / "shop/log.jsonl").write_text(text)
    with pytest.raises(DataError, match="JSON lines cannot be read: row 4 is no JSON"):
        load(root, "log.jsonl")
    tables = load(root, "log.jsonl", policy="drop", max_share=0.5)
    found = tables.dirty_rows.select("row", "column", "value", "reason").rows()
    assert found == [
        (4, "", '{"user_id": ', "is no JSON"),
        (6, "", "[]", "is JSON, but no object"),
        (8, "timestamp", "soon", "is no number"),
        (10, "item_id", None, "is empty"),
    ]
    assert tables.impressions["user_id"].to_list() == [
        f"u{i}" for i in range(20) if i not in (3, 5, 7, 9)
    ]


def test_samples_go_with_the_tables(root: Path, tmp_path: Path) -> None:
    write_log(root, ["good", "other", "ms"])
    tables = load(root, in_memory=False, policy="drop", max_share=1)
    write_tables(tables, tmp_path)
    for again in (read_tables(tmp_path), scan_tables(tmp_path)):
        assert_frame_equal(again.dirty_rows, tables.dirty_rows)
        assert again.spec == tables.spec
    assert tables.dirty_rows["value"].to_list() == ["1700000000000"]


def test_the_same_files_streamed_again_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    kinds = ["good", "other", "good", "other", "good"] * 60_000
    kinds[777], kinds[150_000], kinds[299_999] = "short", "ms", "label"
    write_log(root, kinds)
    for name, in_memory in (("one", False), ("two", False), ("memory", True)):
        write_tables(load(root, in_memory=in_memory, policy="drop"), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert_frame_equal(
        read_tables(tmp_path / "one").impressions, read_tables(tmp_path / "memory").impressions
    )


def test_staged_files_live_as_long_as_the_scan_and_no_longer(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_log(root, ["good", "other"])
    tables = load(root, in_memory=False)
    assert list(tmp_path.rglob("*.parquet"))
    assert tables.impressions.select(pl.len()).collect().item() == 2
    del tables
    assert not list(tmp_path.rglob("*.parquet"))


def test_long_values_are_shown_in_part() -> None:
    tally = Tally("items", DirtyRows(policy="drop", samples=1))
    tally.add(
        "", "is no JSON", 2, [Sample("a", row, "", "x" * 999, "is no JSON") for row in (1, 2)]
    )
    (shown,) = tally.frame()["value"]
    assert shown == "x" * 200 + "…"
