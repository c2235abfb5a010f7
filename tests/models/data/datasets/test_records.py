"""Good records come out as they were written, whatever stands between them."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.datasets import records
from models.data.datasets.records import (
    CsvRules,
    JsonRules,
    bad_lines,
    has_bad_lines,
    scan_good_lines,
)

COLUMNS = ("a", "b", "c")
RULES = CsvRules(COLUMNS, ",")
CELLS = st.text(alphabet='xyZ ,"\n;é', max_size=8)
GOOD = st.tuples(CELLS.map(lambda cell: "k" + cell), CELLS, CELLS)
BAD = st.sampled_from(["1,2", "1,2,3,4", "", "lone", ",,,", '1,"x"y,3', '1,2"q",3'])
SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


def written(row: tuple[str, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()


@SETTINGS
@given(
    rows=st.lists(st.one_of(GOOD, BAD), min_size=1, max_size=30), block=st.sampled_from([1, 3, 99])
)
def test_good_rows_survive_bad_lines_with_their_numbers(folder: Path, rows, block: int) -> None:
    text = "a,b,c\n" + "".join(r + "\n" if isinstance(r, str) else written(r) for r in rows)
    path = folder / "log.csv"
    path.write_text(text, newline="")
    good = [(number, *row) for number, row in enumerate(rows) if not isinstance(row, str)]
    expected = [(*(cell or None for cell in cells), number) for number, *cells in good]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_BLOCK", block)
        found = scan_good_lines(path, RULES, header=True).collect()
        bad = list(bad_lines(path, RULES, header=True))
    assert found.select(*COLUMNS, "_row").rows() == expected
    assert [(line.row, line.text) for line in bad] == [
        (number, row) for number, row in enumerate(rows) if isinstance(row, str)
    ]
    assert has_bad_lines(path, RULES) or not bad


def test_a_quote_that_never_ends_costs_its_own_line_alone(folder: Path) -> None:
    path = folder / "open.csv"
    many = records.LONGEST_RECORD * 3
    path.write_text('a,b,c\n1,"open,3\n' + "4,5,6\n" * many + '7,"8\n8",9\n')
    (bad,) = bad_lines(path, RULES, header=True)
    assert (bad.row, bad.problem) == (0, "has a quote that does not end")
    found = scan_good_lines(path, RULES, header=True).collect()
    assert found.height == many + 1
    assert found.row(-1) == ("7", "8\n8", "9", many + 1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1,2", "has 2 cells, the header 3"),
        ("1", "has 1 cell, the header 3"),
        ("", "is blank"),
        ('1,"2"x,3', "has a quote inside a cell"),
        ('1,2",3', "has a quote that does not end"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(folder: Path, line: str, problem: str) -> None:
    path = folder / "one.csv"
    path.write_text(f"a,b,c\n1,2,3\n{line}\n4,5,6\n")
    assert [bad.problem for bad in bad_lines(path, RULES, header=True)] == [problem]


def test_without_quoting_quotes_are_characters(folder: Path) -> None:
    rules = CsvRules(COLUMNS, "\t", quoted=False)
    path = folder / "t.tsv"
    path.write_text('a\tb\tc\n5"\tx\ty\n1\t2\n"\t"\t"\n')
    assert [bad.row for bad in bad_lines(path, rules, header=True)] == [1]
    found = scan_good_lines(path, rules, header=True).collect()
    assert found.rows() == [('5"', "x", "y", 0), ('"', '"', '"', 2)]


VALUES = st.one_of(st.integers(), st.text(max_size=5), st.none(), st.booleans())
JUNK = st.sampled_from(['{"a": 1', "[1, 2]", '"text"', "7", "nonsense", '{"a": NaN}', "  "])


@SETTINGS
@given(
    rows=st.lists(st.one_of(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), JUNK), max_size=20)
)
def test_json_objects_survive_lines_that_are_none(folder: Path, rows) -> None:
    path = folder / "log.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    told = [row for row in rows if not (isinstance(row, str) and not row.strip())]
    rules = JsonRules(("a", "b"))
    good = [number for number, row in enumerate(told) if not isinstance(row, str)]
    assert scan_good_lines(path, rules, header=False).collect()["_row"].to_list() == good
    bad = [line.row for line in bad_lines(path, rules, header=False)]
    assert bad == [number for number, row in enumerate(told) if isinstance(row, str)]


def test_a_query_over_good_lines_can_take_some_columns_and_rows(folder: Path) -> None:
    path = folder / "log.csv"
    path.write_text("a,b,c\n1,2,3\nx\n4,5,6\n7,8,9\n")
    scan = scan_good_lines(path, RULES, header=True)
    assert scan.select("c").head(2).collect()["c"].to_list() == ["3", "6"]
    assert scan.filter(pl.col("a") == "7").select("_row").collect().item() == 3
