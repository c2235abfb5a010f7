from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.cells import Cell, typed_rows, usable
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.errors import SchemaError

PATH = Path("raw.csv")
CELLS = {
    "user": Cell("who", "whole"),
    "time": Cell("when", "milliseconds"),
    "label": Cell("clk", "flag"),
    "brand": Cell("brand", "whole", required=False, none=("NULL",)),
    "price": Cell("price", "number", required=False),
}
GOOD = {"who": " 7", "when": "1500000000999", "clk": "1", "brand": "NULL", "price": "1.5"}


def read(*rows: dict[str, str | None], **settings) -> tuple[list[tuple], Tally]:
    frame = pl.DataFrame([GOOD | row for row in rows], schema=dict.fromkeys(GOOD, pl.String))
    tally = Tally("impressions", DirtyRows(**settings))
    return typed_rows(frame.lazy(), PATH, CELLS, tally).collect().rows(), tally


def test_cells_become_typed_values_and_times_whole_seconds() -> None:
    rows, tally = read({}, {"brand": "3", "price": None})
    assert rows == [(0, 7, 1_500_000_000, 1, None, 1.5), (1, 7, 1_500_000_000, 1, 3, None)]
    assert (tally.read, usable(tally)) == (2, 2)


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("who", "x", "'x' of column 'who' is no whole number"),
        ("who", None, "'who' is empty"),
        ("who", " ", "'who' is empty"),
        ("when", "1500000000", "'1500000000' of column 'when' is no time between 1990 and 2100"),
        ("clk", "2", "'2' of column 'clk' is no 0 or 1"),
        ("brand", "none", "'none' of column 'brand' is no whole number"),
        ("price", "inf", "'inf' of column 'price' is no number"),
    ],
)
def test_the_first_row_that_does_not_fit_is_named(cell: str, value, message: str) -> None:
    with pytest.raises(SchemaError) as error:
        read({}, {cell: value}, {cell: value})
    assert message in error.value.what
    assert "2 such rows" in error.value.what
    assert error.value.where == f"raw.csv, row 2, column {cell}"


def test_dropped_rows_are_counted_by_reason_and_sampled() -> None:
    rows, tally = read(
        {"who": "x", "clk": "9"}, {}, {"who": "y"}, {"clk": "9"},
        policy="drop", max_share=0.9, samples=1,
    )  # fmt: skip
    assert [row[0] for row in rows] == [1]
    assert usable(tally) == 1
    assert {(c.column, c.reason): c.rows for c in tally.summary()} == {
        ("who", "is no whole number"): 2,
        ("clk", "is no 0 or 1"): 1,
    }
    samples = tally.frame().select("row", "column", "value").rows()
    assert samples == [(1, "who", "x"), (4, "clk", "9")]


def test_too_many_dropped_rows_are_an_error() -> None:
    _, tally = read({"who": "x"}, {}, policy="drop", max_share=0.4)
    with pytest.raises(SchemaError, match="1 of 2 rows of table 'impressions'"):
        tally.check()
