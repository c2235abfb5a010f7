from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from models.data.schema import TABLES
from models.data.tables import ROW_GROUP, check_schema, read_tables, scan_tables, write_tables
from models.errors import CorruptArtifactError, MissingDataError, SchemaError


@pytest.fixture
def tables(make_tables):
    return make_tables([("ann", 100, 1, 1), ("bob", 101, 2, 0)], [("cleo", 102, 1)])


def test_tables_read_back_as_they_were_written(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    again = read_tables(tmp_path)
    assert again.spec == tables.spec
    for name in TABLES:
        assert_frame_equal(again.table(name), tables.table(name))


def test_a_scan_is_written_and_read_like_tables(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path / "whole")
    write_tables(tables.scan(), tmp_path / "scanned")
    again = scan_tables(tmp_path / "scanned")
    for name in TABLES:
        one, other = (tmp_path / way / f"{name}.parquet" for way in ("whole", "scanned"))
        assert one.read_bytes() == other.read_bytes()
        assert_frame_equal(again.collect().table(name), tables.table(name))
        assert again.height(name) == tables.height(name) == len(tables.table(name))
    check_schema(again)


def test_many_rows_are_written_in_row_groups_and_always_the_same(make_tables, tmp_path) -> None:
    small = make_tables([("ann", 100, 1, 1), ("bob", 101, 2, 0)])
    rows = 3 * ROW_GROUP + 7
    numbers = pl.LazyFrame({"impression_id": pl.int_range(rows, eager=True)})
    shown = small.impressions.lazy().drop("impression_id").head(1)
    many = replace(small.scan(), impressions=numbers.join(shown, how="cross"))
    for folder in ("one", "two"):
        write_tables(many, tmp_path / folder)
    one, two = (tmp_path / folder / "impressions.parquet" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    groups = pq.ParquetFile(one).metadata
    sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    assert sum(sizes) == rows
    assert max(sizes) <= ROW_GROUP
    read = scan_tables(tmp_path / "one").impressions.collect()["impression_id"]
    assert read.to_list() == list(range(rows))


def test_a_scan_of_a_table_cut_short_is_named_before_any_pass(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    path = tmp_path / "impressions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptArtifactError, match="'impressions' is no whole parquet file"):
        scan_tables(tmp_path)


def test_a_missing_column_is_named_with_the_nearest_there_is(tables) -> None:
    broken = replace(tables, items=tables.items.rename({"colour": "color"}))
    with pytest.raises(SchemaError, match=r"no column 'colour'\. Did you mean 'color'\?"):
        check_schema(broken)


@pytest.mark.parametrize(
    ("table", "column", "kind", "allowed"),
    [
        ("items", "title", pl.Int64, "String"),
        ("items", "colour", pl.Float64, "String, Boolean or an integer type"),
        ("items", "price", pl.String, "a numeric type"),
        ("impressions", "label", pl.Int64, "Int8, 0 or 1"),
        ("impressions", "timestamp", pl.Float64, "Int64"),
        ("behaviours", "item_id", pl.Int32, "Int64 or String"),
    ],
)
def test_a_wrong_type_is_named(tables, table: str, column: str, kind, allowed: str) -> None:
    frame = tables.table(table).with_columns(pl.col(column).cast(kind, strict=False))
    with pytest.raises(SchemaError, match=f"'{column}' of table '{table}' has type {kind}") as info:
        check_schema(replace(tables, **{table: frame}))
    assert info.value.allowed == allowed


@pytest.mark.parametrize("column", ["item_id", "trigger_item_id"])
def test_an_id_has_one_type_everywhere(tables, column: str) -> None:
    shown = tables.impressions.with_columns(pl.col(column).cast(pl.String))
    with pytest.raises(SchemaError, match=f"'{column}' of table 'impressions' has type String"):
        check_schema(replace(tables, impressions=shown))


def test_tables_that_do_not_fit_are_not_written(tables, tmp_path: Path) -> None:
    with pytest.raises(SchemaError):
        write_tables(replace(tables, items=tables.items.drop("title")), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_table_cut_short_is_named(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    path = tmp_path / "users.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptArtifactError, match="'users' is no whole parquet file"):
        read_tables(tmp_path)


def test_an_absent_table_is_named(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    (tmp_path / "behaviours.parquet").unlink()
    with pytest.raises(MissingDataError, match="Table 'behaviours' is missing"):
        read_tables(tmp_path)
    with pytest.raises(MissingDataError, match="no canonical tables here"):
        read_tables(tmp_path / "elsewhere")


def test_a_damaged_description_is_named(tables, tmp_path: Path) -> None:
    write_tables(tables, tmp_path)
    (tmp_path / "dataset.json").write_text('{"name": "x", "item_txt": []}')
    with pytest.raises(CorruptArtifactError, match="description of the data set"):
        read_tables(tmp_path)
