"""Every form of a file gives the same rows; what is wrong with one is named."""

import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from models.data.datasets.rawfiles import csv_header, named_faults, read_table, scan_table
from models.errors import DataError, MissingDataError, SchemaError

ROWS = pl.DataFrame({"name": ["cup", 'pot, "big"', "so\nck", None], "price": [1, 2, 3, 4]})
PLAIN = ROWS.filter(pl.col("name") != "so\nck")  # what a file without quotes can hold
PACKINGS = {"": None, ".gz": "gzip", ".zst": "zstd"}


def pack(path: Path, packing: str) -> Path:
    packed = path.with_name(path.name + packing)
    if packing:
        with pa.output_stream(str(packed), PACKINGS[packing]) as stream:
            stream.write(path.read_bytes())
    return packed


@pytest.fixture(params=PACKINGS, ids=["plain", "gz", "zst"])
def packing(request: pytest.FixtureRequest) -> str:
    return request.param


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.all().cast(pl.String))


def test_csv_cells_are_text_packed_or_not(tmp_path: Path, packing: str) -> None:
    ROWS.write_csv(tmp_path / "t.csv")
    path = pack(tmp_path / "t.csv", packing)
    assert_frame_equal(read_table(path, ["name"]), as_text(ROWS))
    assert_frame_equal(scan_table(path).collect(), as_text(ROWS))


def test_tsv_needs_no_quotes(tmp_path: Path, packing: str) -> None:
    (tmp_path / "t.tsv").write_text('name\tprice\ncup\t1\n5" pot\t2\n"odd\t3\n')
    path = pack(tmp_path / "t.tsv", packing)
    read = read_table(path, separator="\t", quoted=False)
    assert read["name"].to_list() == ["cup", '5" pot', '"odd']


def test_a_file_without_header_gets_names(tmp_path: Path, packing: str) -> None:
    PLAIN.write_csv(tmp_path / "t.csv", include_header=False)
    path = pack(tmp_path / "t.csv", packing)
    assert_frame_equal(read_table(path, header=["name", "price"]), as_text(PLAIN))


def test_a_long_separator_divides_cells(tmp_path: Path, packing: str) -> None:
    (tmp_path / "ratings.dat").write_text("1::Heat: a film::5\r\n2::::4\r\n")
    path = pack(tmp_path / "ratings.dat", packing)
    read = read_table(path, separator="::", header=["user", "title", "stars"])
    assert read.rows() == [("1", "Heat: a film", "5"), ("2", None, "4")]
    named = tmp_path / "named.dat"
    named.write_text("user::stars\n1::5\n")
    assert read_table(named, ["stars"], separator="::").rows() == [("1", "5")]


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "json"])
def test_json_lines_keep_their_types(tmp_path: Path, packing: str, ending: str) -> None:
    ROWS.write_ndjson(tmp_path / f"t.{ending}")
    assert_frame_equal(read_table(pack(tmp_path / f"t.{ending}", packing), ["price"]), ROWS)


def test_parquet_keeps_its_types(tmp_path: Path, packing: str) -> None:
    ROWS.write_parquet(tmp_path / "t.parquet")
    assert_frame_equal(read_table(pack(tmp_path / "t.parquet", packing)), ROWS)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_packed_file_cut_short_is_named(tmp_path: Path, ending: str, packing: str) -> None:
    many = pl.DataFrame({"a": range(200_000)})
    path = tmp_path / f"t.{ending}"
    many.write_csv(path) if ending == "csv" else many.write_ndjson(path)
    packed = pack(path, packing)
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be unpacked") as error:
        read_table(packed)
    assert str(packed) in error.value.where


def test_members_packed_one_after_another_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    assert read_table(path)["a"].to_list() == ["1", "3"]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(MissingDataError, match="no such file"):
        scan_table(path)
    path.write_text("")
    with pytest.raises(DataError, match=r"empty \(0 bytes\)"):
        scan_table(path)
    path.write_text("user,item\n")
    with pytest.raises(DataError, match="columns and no rows"):
        scan_table(path)
    path.write_text("user,item\n1,2\n")
    with pytest.raises(SchemaError, match=r"no column 'itm'\. Did you mean 'item'\?"):
        scan_table(path, ["itm"])
    path.write_bytes(b"a,b\n1,2\n" + b"1,2\n" * 300_000 + b"caf\xe9,2\n")
    with pytest.raises(DataError, match="not UTF-8: byte 0xe9 at position 1200011") as error:
        read_table(path)
    assert error.value.where.endswith("line 300003")


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a": 2}]', '[\n  {\n    "a": 1\n  }\n]\n'])
def test_one_json_array_is_no_json_lines(tmp_path: Path, text: str, packing: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match="one JSON array, not JSON lines") as error:
        scan_table(pack(tmp_path / "t.json", packing))
    assert "jq -c '.[]' t.json" in error.value.do


def test_a_fault_further_down_is_named_where_the_scan_is_collected(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n' * 200_000 + '{"a": \n')
    scan = scan_table(path)
    with pytest.raises(DataError, match="JSON lines cannot be read"), named_faults(path):
        scan.collect(engine="streaming")


def test_the_header_is_read_as_the_table_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\ufeffuser , "item, no" ,c\n1,2,3\n')
    path.write_text('\ufeff"user", item ,c\n1,2,3\n')
    assert csv_header(path, ",", quoted=True) == ("user", "item", "c")
    assert read_table(path).columns == ["user", "item", "c"]
