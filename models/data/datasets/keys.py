"""Keys of tables that were read from files: one type, no repeats, none unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Int64

from models.data.datasets.columns import WHOLE_NUMBER
from models.data.schema import Fact, TableName
from models.errors import SchemaError

PLACE = "_place"
"""Column of staged tables: the number of the file, and that of the row in it."""

_ROWS_OF_A_FILE = 1 << 40
_AT_ONCE = 4_000_000  # values sorted at once
_ITEMS, _USERS = ("item_id", "trigger_item_id"), ("user_id",)


@dataclass(frozen=True)
class Checked:
    """A table, and where its rows come from.

    Attributes:
        name: The canonical table's name.
        rows: The rows, in the order of the files, with `PLACE`.
        files: The files.
    """

    name: TableName
    rows: pl.LazyFrame
    files: tuple[str, ...]

    def columns(self) -> pl.Schema:
        """Return names and types of the columns."""
        return self.rows.collect_schema()

    def where(self, place: int, column: str) -> str:
        """Return file, row (counted from 1, without the header) and column."""
        return f"{self.files[place // _ROWS_OF_A_FILE]}, row {row_of(place) + 1}, column {column}"

    def value(self, place: int, column: str) -> object:
        """Return the value of a column at a place."""
        return self.rows.filter(pl.col(PLACE) == place).select(column).collect().item()


def place_of(file: int, row: pl.Expr) -> pl.Expr:
    """Return the `PLACE` of rows of a file, both counted from 0."""
    return row.cast(pl.Int64) + file * _ROWS_OF_A_FILE


def row_of(place: int) -> int:
    """Return the row of a `PLACE`, counted from 0."""
    return place % _ROWS_OF_A_FILE


def unify_ids(
    tables: Mapping[str, Checked], ids: Literal["auto", "int", "text"]
) -> dict[str, Checked]:
    """Return the tables with items' ids of one type in all of them, and users' likewise.

    Raises:
        SchemaError: ``ids`` is ``int`` and an id is not.
    """
    whole = {name: _are_whole(table) for name, table in tables.items()}
    unified = dict(tables)
    for columns in (_ITEMS, _USERS, ("request_id",)):
        uses = [(name, column) for name in tables for column in columns if column in whole[name]]
        as_numbers = ids == "int" or (ids == "auto" and all(whole[n][c] for n, c in uses))
        for name, column in uses:
            if ids == "int" and not whole[name][column]:
                _check_numbers(tables[name], column)
            cast = pl.col(column).cast(pl.Int64 if as_numbers else pl.String, strict=False)
            unified[name] = replace(unified[name], rows=unified[name].rows.with_columns(cast))
    return unified


def check_unique(table: Checked, column: str) -> None:
    """Raise `SchemaError`, with both places, where a value of a key column occurs twice."""
    keys = table.rows.select(PLACE, column).collect(engine="streaming")
    again = repeated_rows(keys[column])
    if not len(again):
        return
    row = int(again.min())
    first = int((keys[column] == keys[column][row]).arg_max() or 0)
    places = keys[PLACE]
    raise SchemaError(
        f"{column} {keys[column][row]!r} of table {table.name!r} occurs again "
        f"({len(again)} repeated row{'s' * (len(again) != 1)}).",
        where=f"{table.where(places[row], column)}; first at {table.where(places[first], column)}",
        allowed=f"each {column} once",
        do="Remove the repeated rows, or map the column that identifies a row.",
    )


def drop_or_refuse(
    table: Checked, known: Mapping[str, pl.Series], *, drop: bool, facts: dict[str, Fact]
) -> pl.LazyFrame:
    """Return the rows whose users and items (triggers too) have rows of their own.

    Args:
        table: The events.
        known: ``item_id`` and, where there is a users table, ``user_id``, to all known ids.
        drop: Drop the other rows and count them in ``facts``, rather than raise.
        facts: Where to count.

    Raises:
        SchemaError: an id is unknown and ``drop`` is false; names the first and how many.
    """
    there: dict[str, pl.Expr] = {}
    for key, home in known.items():
        for column in ("item_id", "trigger_item_id") if key == "item_id" else (key,):
            if column in table.columns():
                there[column] = pl.col(column).is_in(home.implode()) | pl.col(column).is_null()
    unknown = pl.any_horizontal(~known_key for known_key in there.values())
    if drop:
        rows = table.rows.select(unknown.sum()).collect(engine="streaming").item()
        facts[f"{table.name}_dropped_with_unknown_keys"] = rows
        return table.rows.filter(~unknown)
    for column, known_key in there.items():
        count, place = (
            table.rows.select((~known_key).sum(), pl.when(~known_key).then(PLACE).min())
            .collect(engine="streaming")
            .row(0)
        )
        if count:
            raise _unknown(table, column, count, place)
    return table.rows


def _are_whole(table: Checked) -> dict[str, bool]:
    """Return, for each column of ids, whether all of them are numbers that keep their text."""
    columns = table.columns()
    found = [name for name in (*_ITEMS, *_USERS, "request_id") if name in columns]
    text = [name for name in found if columns[name] == pl.String]
    whole = table.rows.select(pl.col(text).str.contains(WHOLE_NUMBER).all()) if text else None
    flags = {} if whole is None else whole.collect(engine="streaming").row(0, named=True)
    return {name: flags.get(name, True) for name in found}


def _check_numbers(table: Checked, column: str) -> None:
    bad = pl.col(column).cast(pl.Int64, strict=False).is_null() & pl.col(column).is_not_null()
    place = table.rows.filter(bad).select(pl.col(PLACE).min()).collect(engine="streaming").item()
    if place is not None:
        raise SchemaError(
            f"{table.value(place, column)!r} is no whole number.",
            where=table.where(place, column),
            allowed="whole numbers, as ids: int asks for",
            do="Set ids: text, or correct the values.",
        )


def repeated_rows(keys: pl.Series) -> Int64[np.ndarray, " R"]:
    """Return the rows whose key stood in an earlier row, some keys at a time to save memory."""
    if keys.is_sorted() and not (keys == keys.shift(1)).any():
        return np.empty(0, dtype=np.int64)
    if keys.dtype != pl.Int64:
        return np.flatnonzero((~keys.is_first_distinct()).to_numpy())
    values = keys.to_numpy()
    parts = len(values) // _AT_ONCE + 1
    found = []
    for part in range(parts):
        rows = np.flatnonzero(values % parts == part)
        _, first = np.unique(values[rows], return_index=True)
        found.append(np.delete(rows, first))
    return np.concatenate(found)


def _unknown(table: Checked, column: str, count: int, place: int) -> SchemaError:
    home = "users" if column == "user_id" else "items"
    return SchemaError(
        f"{column} {table.value(place, column)!r} of table {table.name!r} has no row in {home} "
        f"({count} such row{'s' * (count != 1)}).",
        where=table.where(place, column),
        allowed=f"ids that table {home!r} has",
        do=f"Add the missing {home}, or set unknown_keys: drop.",
    )
