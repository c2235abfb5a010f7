"""Keys of tables that were read from files: one type, no repeats, none unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from models.data.datasets.columns import are_whole
from models.data.schema import Fact, TableName
from models.errors import SchemaError

_ITEMS, _USERS = ("item_id", "trigger_item_id"), ("user_id",)


@dataclass(frozen=True)
class Checked:
    """A table, and where its rows come from.

    Attributes:
        name: The canonical table's name.
        frame: The rows, in the order of the files.
        files: Path and number of rows of each file.
    """

    name: TableName
    frame: pl.DataFrame
    files: tuple[tuple[str, int], ...]

    def place(self, row: int, column: str) -> str:
        """Return file, row (counted from 1, without the header) and column."""
        for file, rows in self.files:
            if row < rows:
                return f"{file}, row {row + 1}, column {column}"
            row -= rows
        return f"table {self.name}, column {column}"


def unify_ids(
    tables: Mapping[str, Checked], ids: Literal["auto", "int", "text"]
) -> dict[str, Checked]:
    """Return the tables with items' ids of one type in all of them, and users' likewise.

    Raises:
        SchemaError: ``ids`` is ``int`` and an id is not.
    """
    unified = dict(tables)
    for columns in (_ITEMS, _USERS, ("request_id",)):
        uses = [
            (name, column)
            for name, table in tables.items()
            for column in columns
            if column in table.frame.columns
        ]
        used = [tables[name].frame[column] for name, column in uses]
        whole = ids == "int" or (ids == "auto" and are_whole(used))
        for name, column in uses:
            unified[name] = _cast(unified[name], column, whole=whole)
    return unified


def check_unique(table: Checked, column: str) -> None:
    """Raise `SchemaError`, with both places, where a value of a key column occurs twice."""
    values = table.frame[column]
    repeated = ~values.is_first_distinct()
    if repeated.any():
        row = repeated.arg_max() or 0
        first = (values == values[row]).arg_max() or 0
        count = int(repeated.sum())
        raise SchemaError(
            f"{column} {values[row]!r} of table {table.name!r} occurs again "
            f"({count} repeated row{'s' * (count != 1)}).",
            where=f"{table.place(row, column)}; first at {table.place(first, column)}",
            allowed=f"each {column} once",
            do="Remove the repeated rows, or map the column that identifies a row.",
        )


def drop_or_refuse(
    table: Checked, known: Mapping[str, pl.Series], *, drop: bool, facts: dict[str, Fact]
) -> pl.DataFrame:
    """Return the rows whose users and items (triggers too) have rows of their own.

    Args:
        table: The events.
        known: ``item_id`` and, where there is a users table, ``user_id``, to all known ids.
        drop: Drop the other rows and count them in ``facts``, rather than raise.
        facts: Where to count.

    Raises:
        SchemaError: an id is unknown and ``drop`` is false; names the first and how many.
    """
    frame = table.frame.with_columns(pl.lit(True).alias("_kept"))
    for key, home in known.items():
        for column in (key, "trigger_item_id") if key == "item_id" else (key,):
            if column not in frame.columns:
                continue
            there = frame[column].is_in(home.implode()) | frame[column].is_null()
            if not drop and not there.all():
                raise _unknown(table, column, ~there)
            frame = frame.with_columns(pl.col("_kept") & there)
    kept = frame.filter("_kept").drop("_kept")
    if drop:
        facts[f"{table.name}_dropped_with_unknown_keys"] = frame.height - kept.height
    return kept


def _cast(table: Checked, column: str, *, whole: bool) -> Checked:
    values = table.frame[column]
    cast = values.cast(pl.Int64 if whole else pl.String, strict=False)
    bad = cast.is_null() & values.is_not_null()
    if bad.any():
        row = bad.arg_max() or 0
        raise SchemaError(
            f"{values[row]!r} is no whole number.",
            where=table.place(row, column),
            allowed="whole numbers, as ids: int asks for",
            do="Set ids: text, or correct the values.",
        )
    return replace(table, frame=table.frame.with_columns(cast))


def _unknown(table: Checked, column: str, unknown: pl.Series) -> SchemaError:
    row = unknown.arg_max() or 0
    count = int(unknown.sum())
    home = "users" if column == "user_id" else "items"
    return SchemaError(
        f"{column} {table.frame[column][row]!r} of table {table.name!r} has no row in {home} "
        f"({count} such row{'s' * (count != 1)}).",
        where=table.place(row, column),
        allowed=f"ids that table {home!r} has",
        do=f"Add the missing {home}, or set unknown_keys: drop.",
    )
