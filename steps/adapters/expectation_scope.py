"""What the checks look at: all rows, or of a large log some users' and all rows in passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from models.data.datasets.keys import repeated_rows
from models.data.schema import TABLES, TableName
from models.data.tables import Tables, TableScan

SHOWN_ROWS = 5
_NUMBERS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "expect_column_unique_value_count_to_be_between": lambda column: column.drop_nulls().n_unique(),
    "expect_column_mean_to_be_between": pl.Expr.mean,
}
_EVENTS: tuple[TableName, ...] = ("impressions", "behaviours")


@dataclass(frozen=True)
class Figure:
    """A number computed from the tables, for what no single-table expectation can express.

    Attributes:
        value: What the expectation bounds: mostly the number of rows at fault.
        count: Rows at fault.
        rows: The first of them.
        checked: Rows looked at; ``max_share`` is a share of these.
    """

    value: float
    count: int = 0
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    checked: int = 0


@dataclass(frozen=True)
class Scope:
    """What the checks look at.

    Attributes:
        tables: The rows that are held in memory.
        whole: All rows.
        rows: Number of all rows.
        one_in: ``tables`` holds the events of one in so many users; 1 = all of them.
    """

    tables: Tables
    whole: Tables | TableScan
    rows: Mapping[str, int]
    one_in: int = 1

    def is_sampled(self, table: TableName) -> bool:
        """Tell whether not all rows of a table are held in memory."""
        return self.one_in > 1 and table in _EVENTS

    def words(self, table: TableName) -> str:
        """Return what of a sampled table is looked at, to end a sentence with."""
        if not self.is_sampled(table):
            return ""
        return (
            f" (looked at: all {self.tables.table(table).height:,} rows of 1 in {self.one_in} "
            f"users, of {self.rows[table]:,})"
        )

    def note(self) -> str:
        """Return a sentence that says what was looked at, "" where it was everything."""
        if self.one_in == 1:
            return ""
        return (
            "The log is larger than max_rows of the validation's settings. Counts, missing and "
            "unknown values, ranges, labels, keys and times were checked on every row; repeated "
            f"rows, requests, histories, triggers and leaks on all rows of 1 in {self.one_in} "
            "users, chosen by a hash of the id."
        )


def look_at(tables: Tables | TableScan, max_rows: int) -> Scope:
    """Return all rows in memory where events are at most ``max_rows``, else those of some users."""
    rows: dict[str, int] = {name: tables.height(name) for name in TABLES}
    one_in = -(-max(rows[name] for name in _EVENTS) // max_rows)
    known = all("user_id" in tables.lazy(name).collect_schema() for name in _EVENTS)
    if one_in <= 1:
        return Scope(tables.collect(), tables, rows)
    own = pl.col("user_id").hash(0) % one_in == 0 if known else pl.int_range(pl.len()) < max_rows
    shown, events = (tables.lazy(n).filter(own).collect(engine="streaming") for n in _EVENTS)
    some = Tables(tables.spec, tables.items, tables.users, shown, events, tables.dirty_rows)
    return Scope(some, tables, rows, one_in)


def on_all_rows(rows: pl.LazyFrame, kind: str, arguments: Mapping[str, Any]) -> Figure | None:
    """Return the figure that an expectation on one column comes to; None: it cannot be had so."""
    if kind == "expect_table_row_count_to_be_between":
        return Figure(float(_one(rows, pl.len())))
    if "column" not in arguments:
        return None
    column = pl.col(arguments["column"])
    if kind in _NUMBERS:
        return Figure(float(_one(rows, _NUMBERS[kind](column)) or 0))
    if kind == "expect_column_distinct_values_to_contain_set":
        lacking = set(arguments["value_set"]) - set(_one(rows, column.unique().implode()))
        return Figure(float(len(lacking)), len(lacking), checked=len(arguments["value_set"]))
    if kind == "expect_column_values_to_be_unique":
        return _repeated(rows, arguments["column"])
    wrong = _wrong(column, kind, arguments)
    return None if wrong is None else faults(rows, wrong)


def _wrong(column: pl.Expr, kind: str, arguments: Mapping[str, Any]) -> pl.Expr | None:
    """Return which values an expectation does not allow; what is missing is not its matter."""
    if kind == "expect_column_values_to_not_be_null":
        return column.is_null()
    if kind == "expect_column_values_to_be_in_set":
        return ~column.is_in(arguments["value_set"])
    if kind == "expect_column_values_to_match_regex":
        return ~column.str.contains(arguments["regex"])
    if kind == "expect_column_values_to_be_between":
        low, high = arguments.get("min_value"), arguments.get("max_value")
        below = pl.lit(value=False) if low is None else column < low
        return below if high is None else below | (column > high)
    return None


def faults(rows: pl.LazyFrame, wrong: pl.Expr) -> Figure:
    """Return how many of the rows are ``wrong``, and the first of them."""
    wrong = wrong.fill_null(value=False)
    count, checked = rows.select(wrong.sum(), checked=pl.len()).collect(engine="streaming").row(0)
    first = rows.filter(wrong).head(SHOWN_ROWS).collect(engine="streaming") if count else None
    return Figure(float(count), count, pl.DataFrame() if first is None else first, max(checked, 1))


def _repeated(rows: pl.LazyFrame, column: str) -> Figure:
    keys = rows.select(column).collect(engine="streaming").to_series()
    again = np.sort(repeated_rows(keys))
    numbered = rows.with_row_index("_row").filter(pl.col("_row").is_in(again[:SHOWN_ROWS].tolist()))
    first = numbered.drop("_row").collect(engine="streaming") if len(again) else pl.DataFrame()
    return Figure(float(len(again)), len(again), first, len(keys))


def _one(rows: pl.LazyFrame, expression: pl.Expr) -> Any:
    return rows.select(expression).collect(engine="streaming").item()
