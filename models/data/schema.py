"""The canonical tables: their columns and types, and what a data set says of its own columns."""

import difflib
from collections.abc import Mapping
from typing import Literal

import polars as pl
from polars.datatypes import DataTypeClass
from pydantic import Field

from models.errors import SchemaError
from models.settings import Settings

TableName = Literal["items", "users", "impressions", "behaviours"]
TABLES: tuple[TableName, ...] = ("items", "users", "impressions", "behaviours")
Kind = Literal["id", "any id", "integer", "label", "text", "category", "number"]
Fact = str | int | float | bool | None

KEYS: Mapping[str, Mapping[str, Kind]] = {
    "items": {"item_id": "id"},
    "users": {"user_id": "id"},
    "impressions": {
        "impression_id": "integer",
        "request_id": "any id",
        "user_id": "id",
        "item_id": "id",
        "timestamp": "integer",
        "label": "label",
        "trigger_item_id": "any id",
    },
    "behaviours": {"user_id": "id", "item_id": "id", "timestamp": "integer", "kind": "text"},
}
"""Columns every data set has; all but the nullable ``any id`` ones are filled in every row."""

_ALLOWED: Mapping[Kind, str] = {
    "id": "Int64 or String",
    "any id": "Int64 or String (null where there is none)",
    "integer": "Int64",
    "label": "Int8, 0 or 1",
    "text": "String",
    "category": "String, Boolean or an integer type",
    "number": "a numeric type",
}


_EXACT: Mapping[Kind, tuple[DataTypeClass, ...]] = {
    "id": (pl.Int64, pl.String),
    "any id": (pl.Int64, pl.String, pl.Null),
    "integer": (pl.Int64,),
    "label": (pl.Int8,),
    "text": (pl.String,),
}


class DirtyCount(Settings):
    """How many rows of a table were left out for one reason.

    Attributes:
        table: The canonical table.
        column: The column at fault, as the file names it; "" where the whole line is.
        reason: What is wrong with it: "is no number".
        rows: How many rows.
    """

    table: str
    column: str
    reason: str
    rows: int


class DatasetSpec(Settings):
    """What the columns of a data set's tables mean; stored as ``dataset.json`` beside them.

    Attributes:
        name: Name of the data set, as reports show it.
        item_text: Text columns of ``items``, in the order encoders read them.
        item_fields: Categorical columns of ``items``, one value an item.
        item_numeric: Numeric columns of ``items``; binned into quantiles of the train split.
        user_fields: Categorical columns of ``users``.
        context_fields: Categorical columns of ``impressions``.
        has_images: Whether ``items.image_path`` names picture files.
        images_root: Folder the image paths start from; a relative one starts at the project root.
        known_intent: True for simulated data, whose users' true intent is known.
        facts: Counts the adapter took, such as rows read and rows dropped, by reason.
        dirty_rows: Rows that could not be used and were left out.
    """

    name: str
    item_text: tuple[str, ...] = Field(min_length=1)
    item_fields: tuple[str, ...] = ()
    item_numeric: tuple[str, ...] = ()
    user_fields: tuple[str, ...] = ()
    context_fields: tuple[str, ...] = ()
    has_images: bool = False
    images_root: str | None = None
    known_intent: bool = False
    facts: dict[str, Fact] = Field(default_factory=dict)
    dirty_rows: tuple[DirtyCount, ...] = ()


def expected_columns(table: TableName, spec: DatasetSpec) -> dict[str, Kind]:
    """Return the kind of every column that ``table`` must have under ``spec``."""
    columns: dict[str, Kind] = dict(KEYS[table])
    if table == "items":
        columns |= dict.fromkeys(spec.item_text, "text")
        columns |= dict.fromkeys(spec.item_fields, "category")
        columns |= dict.fromkeys(spec.item_numeric, "number")
        columns |= {"image_path": "text"} if spec.has_images else {}
    elif table == "users":
        columns |= dict.fromkeys(spec.user_fields, "category")
    elif table == "impressions":
        columns |= dict.fromkeys(spec.context_fields, "category")
    return columns


def check_table(
    table: TableName, columns: Mapping[str, pl.DataType], spec: DatasetSpec, where: str = ""
) -> None:
    """Check that ``columns``, names and types, are those of ``table``.

    Raises:
        SchemaError: a column is missing, with the nearest name there is, or has a wrong type.
    """
    place = where or f"table {table}"
    for column, kind in expected_columns(table, spec).items():
        if column not in columns:
            raise missing_column(column, list(columns), place)
        if not _fits(columns[column], kind):
            raise SchemaError(
                f"Column {column!r} of table {table!r} has type {columns[column]}.",
                where=f"{place}, column {column}",
                allowed=_ALLOWED[kind],
                do="Convert the column in the data set's adapter.",
            )


def missing_column(column: str, present: list[str], where: str) -> SchemaError:
    """Return the error for an absent column; it suggests the nearest name that is there."""
    close = difflib.get_close_matches(column, present, n=1, cutoff=0.5)
    return SchemaError(
        f"There is no column {column!r}." + (f" Did you mean {close[0]!r}?" if close else ""),
        where=where,
        allowed="columns there: " + (", ".join(present) or "none"),
        do=f"Correct the column's name in the configuration, or add the column {column!r}.",
    )


def _fits(dtype: pl.DataType, kind: Kind) -> bool:
    if kind == "number":
        return dtype.is_numeric()
    if kind == "category":
        return dtype in (pl.String, pl.Boolean) or dtype.is_integer()
    return dtype in _EXACT[kind]
