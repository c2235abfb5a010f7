"""Mistakes people make in their files and mappings: each ends in an error that says where."""

import gzip
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.data.datasets.keys import repeated_rows
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.schema import TABLES
from models.data.tables import Tables, TableScan
from models.errors import ConfigError, DataError, MissingDataError, ProjectError, SchemaError

FILES = {
    "items.csv": "item_id,title,kind,price\n1,cup,a,9.5\n2,pot,a,\n3,sock,b,7\n",
    "users.csv": "user_id,segment\nann,old\nbob,new\n",
    "log.csv": (
        "user_id,item_id,timestamp,label,trigger_item_id\n"
        "ann,1,1700000000,1,2\nann,2,1700000000,0,\nbob,3,1700000100,0,1\n"
    ),
}
LOG, ITEMS = FILES["log.csv"], FILES["items.csv"]
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": "shop",
    "items": {"files": "items.csv"},
    "users": {"files": "users.csv"},
    "impressions": {"files": "log.csv"},
    "item_text": ["title"],
    "item_fields": ["kind"],
    "item_numeric": ["price"],
    "user_fields": ["segment"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    for name, text in FILES.items():
        (tmp_path / "shop" / name).write_text(text)
    return tmp_path


def load(root: Path, **changes: Any) -> Any:
    values = deepcopy(SETTINGS)
    for key, value in changes.items():
        table, _, inner = key.partition("__")
        if inner:
            values[table] = {**values.get(table, {}), inner: value}
        else:
            values[table] = value
    return load_dataset(DatasetConfig(adapter="generic", settings=values), root)


def write(root: Path, name: str, content: str | bytes | pl.DataFrame) -> None:
    path = root / "shop" / name
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)


def test_sound_files_become_canonical_tables(root: Path) -> None:
    tables = load(root)
    assert tables.items["item_id"].to_list() == [1, 2, 3]
    assert tables.items["price"].to_list() == [9.5, None, 7.0]
    assert tables.impressions["trigger_item_id"].to_list() == [2, None, 1]
    assert tables.behaviours.rows() == [("ann", 1, 1700000000, "click")]


def parquet_log() -> pl.DataFrame:
    log = pl.read_csv(LOG.encode())
    return log.with_columns(pl.from_epoch("timestamp"))


IN_MS = LOG.replace("1700000000", "1700000000000").replace("1700000100", "1700000100000")
IN_ISO = LOG.replace("1700000000", "2023-11-14T22:13:20Z").replace(
    "1700000100", "2023-11-14T23:15:00+01:00"
)


@pytest.mark.parametrize(
    ("name", "content", "unit"),
    [
        ("log.csv.gz", gzip.compress(LOG.encode(), mtime=0), "s"),
        ("log.parquet", parquet_log(), "s"),
        ("ms.csv", IN_MS, "ms"),
        ("us.csv", IN_MS.replace("00000,", "00000000,"), "us"),
        ("iso.csv", IN_ISO, "iso"),
        ("bom.csv", "\ufeff" + LOG, "s"),
    ],
    ids=["gzip", "parquet", "ms", "us", "iso", "bom"],
)
def test_the_same_log_in_another_form_is_the_same(root: Path, name, content, unit) -> None:
    write(root, name, content)
    other = load(root, impressions__files=name, impressions__time_unit=unit)
    assert_frame_equal(other.impressions, load(root).impressions)


FORMS = {
    "csv": ("log.csv", LOG),
    "tsv": ("log.tsv", LOG.replace(",", "\t")),
    "json lines": ("log.jsonl", pl.read_csv(LOG.encode()).write_ndjson()),
    "parquet": ("log.parquet", parquet_log()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packing", ["", "gz", "zst"])
@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "streamed"])
def test_every_form_packed_or_not_streamed_or_not_is_the_same(
    root: Path, form: str, packing: str, in_memory: bool
) -> None:
    plain = load(root)
    name, content = FORMS[form]
    write(root, name, content)
    if packing:
        whole = (root / "shop" / name).read_bytes()
        name = f"{name}.{packing}"
        kind = {"gz": "gzip", "zst": "zstd"}[packing]
        with pa.output_stream(str(root / "shop" / name), compression=kind) as stream:
            stream.write(whole)
    files = {"files": name, "separator": "\t" if form == "tsv" else ","}
    other = load(root, impressions=files, max_in_memory_mb=256 if in_memory else 0)
    assert isinstance(other, Tables if in_memory else TableScan)
    assert other.spec == plain.spec
    for table in TABLES:
        assert_frame_equal(other.collect().table(table), plain.table(table))


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14 22:13:20", 1700000000),
        ("2023-11-14T22:13:20.987654+00:00", 1700000000),
        ("2023-11-15T00:13:20+0200", 1700000000),
        ("2023-11-14T17:43:20-04:30", 1700000000),
        ("2023-11-14T22:13", 1699999980),
        ("2023/11/14", 1699920000),
    ],
)
def test_iso_times_are_read_each_by_itself(root: Path, text: str, second: int) -> None:
    log = LOG.replace("1700000100", text).replace("1700000000", "2020-01-01")
    write(root, "log.csv", log)
    times = load(root, impressions__time_unit="iso").impressions["timestamp"]
    assert times.to_list() == [1577836800, 1577836800, second]


@pytest.mark.parametrize("text", ["14.11.2023", "2023-13-01", "2023-11-14T25:00:00", "soon"])
def test_what_is_no_iso_time_is_named(root: Path, text: str) -> None:
    write(root, "log.csv", IN_ISO.replace("2023-11-14T23:15:00+01:00", text))
    with pytest.raises(SchemaError, match=f"'{text}' of column 'timestamp' is no ISO 8601 time"):
        load(root, impressions__time_unit="iso")


def test_quotes_can_be_characters_like_others(root: Path) -> None:
    write(root, "items.csv", ITEMS.replace("pot", '5" pot'))
    with pytest.raises(DataError, match="row 2 has a quote that does not end") as caught:
        load(root)
    assert "quoted: false" in caught.value.do
    assert load(root, items__quoted=False).items["title"].to_list() == ["cup", '5" pot', "sock"]


def test_impression_ids_of_the_log_may_not_repeat(root: Path) -> None:
    numbered = LOG.replace("user_id", "impression_id,user_id", 1).replace("\nann,1", "\n7,ann,1")
    numbered = numbered.replace("\nann,2", "\n9,ann,2").replace("\nbob", "\n7,bob")
    write(root, "log.csv", numbered)
    with pytest.raises(
        SchemaError, match="impression_id 7 of table 'impressions' occurs again"
    ) as e:
        load(root)
    assert "row 3, column impression_id; first at" in e.value.where
    write(root, "log.csv", numbered.replace("\n7,bob", "\n3,bob"))
    assert load(root).impressions["impression_id"].to_list() == [7, 9, 3]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-5, 40), max_size=80), st.sampled_from([1, 3, 1000]))
def test_repeated_keys_are_found_some_at_a_time(keys: list[int], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.data.datasets.keys._AT_ONCE", at_once)
        found = repeated_rows(pl.Series(keys, dtype=pl.Int64))
    assert sorted(found) == [row for row, key in enumerate(keys) if key in keys[:row]]


def test_several_files_are_read_in_order(root: Path) -> None:
    write(root, "log-2.csv", "user_id,item_id,timestamp,label\nbob,1,1700000200,1\n")
    tables = load(root, impressions__files=["log.csv", "log-*.csv"])
    assert tables.impressions["timestamp"].to_list()[-1] == 1700000200
    assert tables.impressions["impression_id"].to_list() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({}, ["1", "false", "TRUE"], [1, 0, 1]),
        ({"positive": ["buy"]}, ["buy", "view", "buy"], [1, 0, 1]),
        ({"positive": ["buy"], "negative": ["skip"]}, ["buy", "view", "skip"], [1, 0]),
        ({"above": 3, "below": 3}, ["4", "3", "2.5"], [1, 0]),
        ({"above": 3}, ["4", "3", "2.5"], [1, 0, 0]),
        ({"always": True}, ["", "", ""], [1, 1, 1]),
    ],
)
def test_label_rules(root: Path, rule: dict, values: list[str], expected: list[int]) -> None:
    rows = [f"ann,1,1700000000,{value}" for value in values]
    write(root, "log.csv", "\n".join(["user_id,item_id,timestamp,label", *rows]) + "\n")
    tables = load(root, impressions__label=rule)
    assert tables.impressions["label"].to_list() == expected
    assert tables.spec.facts["impressions_dropped_by_label"] == 3 - len(expected)


def test_ids_with_leading_zeros_stay_text(root: Path) -> None:
    write(root, "items.csv", FILES["items.csv"].replace("\n1,", "\n01,"))
    write(root, "log.csv", FILES["log.csv"].replace("ann,1", "ann,01").replace(",0,1", ",0,01"))
    assert load(root).impressions["item_id"].to_list() == ["01", "2", "3"]


def test_behaviours_of_their_own_make_the_histories(root: Path) -> None:
    write(root, "carts.csv", "user_id,item_id,timestamp\nbob,2,1690000000\n")
    tables = load(root, behaviours={"files": "carts.csv", "kind": "cart"})
    assert tables.behaviours.rows() == [("bob", 2, 1690000000, "cart")]


def test_events_with_unknown_keys_can_be_dropped_and_are_counted(root: Path) -> None:
    write(root, "log.csv", FILES["log.csv"] + "bob,99,1700000200,1,\nzoe,1,1700000200,1,\n")
    tables = load(root, unknown_keys="drop")
    assert tables.impressions.height == 3
    assert tables.spec.facts["impressions_dropped_with_unknown_keys"] == 2


MISTAKES: list[tuple[str, str, Any, type[ProjectError], str, str]] = [
    ("missing column", "log.csv", LOG.replace("timestamp", "time_stamp", 1), SchemaError,
     "no column 'timestamp'. Did you mean 'time_stamp'?", "log.csv (for impressions.timestamp)"),
    ("wrong type", "log.csv", LOG.replace("1700000100", "yesterday"), SchemaError,
     "'yesterday' of column 'timestamp' is no number (1 such row)", "row 3, column timestamp"),
    ("ms for s", "log.csv", LOG.replace("17000001", "17000001000"), SchemaError,
     "it looks like ms: set time_unit: ms", "row 3"),
    ("empty id", "log.csv", LOG.replace("bob,3", ",3"), SchemaError,
     "column 'user_id' is empty", "row 3"),
    ("no label", "log.csv", LOG.replace("000,1,2", "000,maybe,2"), SchemaError,
     "'maybe' of column 'label' is no label", "row 1"),
    ("unknown item", "log.csv", LOG.replace("bob,3", "bob,77"), SchemaError,
     "item_id 77 of table 'impressions' has no row in items (1 such row)", "row 3"),
    ("unknown trigger", "log.csv", LOG.replace(",0,1\n", ",0,78\n"), SchemaError,
     "trigger_item_id 78", "row 3, column trigger_item_id"),
    ("unknown user", "log.csv", LOG.replace("bob", "eve"), SchemaError,
     "user_id 'eve' of table 'impressions' has no row in users", "row 3"),
    ("duplicate item", "items.csv", ITEMS + "2,pan,a,1\n", SchemaError,
     "item_id 2 of table 'items' occurs again", "row 4, column item_id; first at"),
    ("NaN price", "items.csv", ITEMS.replace(",7\n", ",NaN\n"), SchemaError,
     "'NaN' of column 'price' is no finite number", "row 3"),
    ("price as text", "items.csv", ITEMS.replace("9.5", "9.5 EUR"), SchemaError,
     "'9.5 EUR' of column 'price' is no number", "row 1"),
    ("not UTF-8", "items.csv", ITEMS.encode() + b"4,m\xe9l,a,1\n", DataError,
     "not UTF-8: byte 0xe9 at position 60", "items.csv, line 5"),
    ("empty file", "items.csv", "", DataError, "empty (0 bytes)", "items.csv"),
    ("header alone", "items.csv", "item_id,title,kind,price\n", DataError, "no rows", "items.csv"),
    ("ragged line", "items.csv", ITEMS + "4,pan, large,a,1\n", DataError,
     "cannot be read", "items.csv"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "error", "what", "where"),
    [case[1:] for case in MISTAKES],
    ids=[case[0] for case in MISTAKES],
)
def test_a_mistake_in_a_file_is_named(root, name, content, error, what: str, where: str) -> None:
    write(root, name, content)
    with pytest.raises(error) as caught:
        load(root)
    assert what in caught.value.what
    assert where in caught.value.where
    assert caught.value.do


def test_a_truncated_parquet_or_gzip_file_is_named(root: Path) -> None:
    write(root, "log.parquet", parquet_log())
    whole = (root / "shop/log.parquet").read_bytes()
    write(root, "log.parquet", whole[: len(whole) // 2])
    with pytest.raises(DataError, match="parquet file is cut short or damaged") as caught:
        load(root, impressions__files="log.parquet")
    assert f"{len(whole) // 2} bytes" in caught.value.where
    write(root, "log.csv.gz", gzip.compress(LOG.encode())[:40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        load(root, impressions__files="log.csv.gz")


def test_absent_files_and_folders_are_named(root: Path) -> None:
    with pytest.raises(MissingDataError, match="folder does not exist"):
        load(root, path="shopp")
    with pytest.raises(MissingDataError, match="no such file"):
        load(root, items__files="itms.csv")
    with pytest.raises(MissingDataError, match="No file is named like 'log-\\*"):
        load(root, impressions__files="log-*.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_txt": ["title"]}, "'item_txt' is no setting (did you mean 'item_text'?)"),
        ({"items__columns": {"itme_id": "sku"}}, "did you mean 'item_id'?"),
        ({"impressions__time_unit": "minutes"}, "impressions.time_unit = 'minutes'"),
        ({"impressions__label": {"above": 3, "always": True}}, "give one of positive, above"),
        ({"users": None}, "user_fields need the users table"),
        ({"items__files": []}, "items.files = []"),
    ],
)
def test_a_mistake_in_the_mapping_is_named(root: Path, changes: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(root, **changes)
    assert message in caught.value.what


def test_a_column_that_holds_no_category_is_named(root: Path) -> None:
    items = pl.read_csv(ITEMS.encode()).with_columns(pl.Series("kind", [[1], [2], [3]]))
    write(root, "items.parquet", items)
    with pytest.raises(SchemaError, match="'kind' has type List"):
        load(root, items__files="items.parquet")
