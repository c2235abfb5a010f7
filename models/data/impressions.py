"""The impressions of a log as columns of numbers, in order of time."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Int, Int8, Int32, Int64

from models.data.codes import FIRST, CodeTable
from models.data.fields import Fields, GrowingValues
from models.data.row_blocks import MAX_ROWS
from models.data.tables import TableScan
from models.errors import SchemaError

BATCH_ROWS = 1 << 20
NO_REQUEST = int(np.iinfo(np.int64).min)
_TYPES = {
    "impression": "i8",
    "user": "i4",
    "item": "i4",
    "logged": "i4",
    "request": "i8",
    "time": "i8",
    "label": "i1",
}


@dataclass(frozen=True)
class Impressions:
    """One row an impression.

    Attributes:
        impression: Its id.
        user: Position of its user among all users.
        item: Code of the target item.
        logged: Code of the trigger item the log has; 0 where it has none.
        request: The log's own request id as a number; `NO_REQUEST` where it has none.
        time: UTC seconds.
        label: 0 or 1.
    """

    impression: Int64[np.ndarray, " N"]
    user: Int32[np.ndarray, " N"]
    item: Int32[np.ndarray, " N"]
    logged: Int32[np.ndarray, " N"]
    request: Int64[np.ndarray, " N"]
    time: Int64[np.ndarray, " N"]
    label: Int8[np.ndarray, " N"]

    @property
    def size(self) -> int:
        """Number of impressions."""
        return len(self.impression)

    def take(self, rows: Int[np.ndarray, " R"]) -> "Impressions":
        """Return some of the rows."""
        return Impressions(**{name: column[rows] for name, column in vars(self).items()})


def batches(table: pl.LazyFrame, columns: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in order, about a million at a time."""
    yield from table.select(columns).collect_batches(
        chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming"
    )


def read_impressions(
    scan: TableScan,
    users: CodeTable,
    items: CodeTable,
    context: list[GrowingValues],
    *,
    size: int,
) -> tuple[Impressions, Fields]:
    """Return the impressions in order of time, ties in order of id, and their context columns.

    Args:
        scan: The tables.
        users: Codes of all users.
        items: Codes of all items.
        context: The values of each context column so far; new ones are added.
        size: How many impressions there are; they are read to where they stay.

    Raises:
        SchemaError: an ``impression_id`` is repeated, or there are more or fewer than ``size``.
    """
    names = scan.spec.context_fields
    whole = {name: np.empty(_fitting(size), dtype) for name, dtype in _TYPES.items()}
    coded = np.empty((size, len(names)), dtype=np.int32)
    columns = ["impression_id", "user_id", "item_id", "trigger_item_id", "request_id"]
    filled = 0
    for batch in batches(scan.impressions, [*columns, "timestamp", "label", *names]):
        rows = slice(filled, filled + batch.height)
        filled = rows.stop
        if filled > size:
            break
        whole["impression"][rows] = batch["impression_id"].to_numpy()
        whole["user"][rows] = users.codes(batch["user_id"]) - np.int32(FIRST)
        whole["item"][rows] = items.codes(batch["item_id"])
        whole["logged"][rows] = items.codes(batch["trigger_item_id"])
        whole["request"][rows] = request_keys(batch["request_id"])
        whole["time"][rows] = batch["timestamp"].to_numpy()
        whole["label"][rows] = batch["label"].to_numpy()
        for place, (name, values) in enumerate(zip(names, context, strict=True)):
            coded[rows, place] = values.codes(batch[name])
    _check_size(filled, size)
    order = time_order(whole["time"], whole["impression"])
    if order is not None:
        for name in _TYPES:
            whole[name] = whole[name][order]
        coded = coded[order]
    _check_unique(whole["impression"])
    values = tuple(values.values for values in context)
    return Impressions(**whole), Fields(tuple(names), values, coded)


def request_keys(column: pl.Series) -> Int64[np.ndarray, " N"]:
    """Return a number for each request id: whole numbers as they are, texts by their hash."""
    if column.null_count() == len(column):
        return np.full(len(column), NO_REQUEST)
    if column.dtype == pl.Int64:
        return column.fill_null(NO_REQUEST).to_numpy()
    texts = column.drop_nulls().unique()
    hashed = [
        int.from_bytes(
            hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True
        )
        for text in texts
    ]
    table = pl.DataFrame({"value": texts, "key": pl.Series(hashed, dtype=pl.Int64)})
    keys = pl.DataFrame({"value": column}).join(
        table, on="value", how="left", maintain_order="left"
    )
    return keys["key"].fill_null(NO_REQUEST).to_numpy()


def _fitting(size: int) -> int:
    """Return the number of impressions; raise `SchemaError` where 31 bits do not count them."""
    if size > MAX_ROWS:
        raise SchemaError(
            f"The log has {size} impressions.",
            where="table impressions",
            allowed=f"at most {MAX_ROWS} in one store",
            do="Leave out the oldest impressions.",
        )
    return size


def _check_size(found: int, size: int) -> None:
    if found != size:
        raise SchemaError(
            f"The impressions were {size} when they were counted, and are not when they are read.",
            where="table impressions",
            allowed="a table that nobody writes to meanwhile",
            do="Build the store again when the table is complete.",
        )


def time_order(
    time: Int64[np.ndarray, " N"], impression: Int64[np.ndarray, " N"]
) -> Int64[np.ndarray, " N"] | None:
    """Return the order of time, ties by id; ``None`` where the rows stand in it."""
    later = time[1:] > time[:-1]
    later |= (time[1:] == time[:-1]) & (impression[1:] >= impression[:-1])
    return None if later.all() else np.lexsort((impression, time))


def _check_unique(ids: Int64[np.ndarray, " N"]) -> None:
    if (ids[1:] > ids[:-1]).all():
        return
    ordered = np.sort(ids)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(again):
        raise SchemaError(
            f"{len(ids) - len(np.unique(ordered))} rows repeat an impression_id: "
            f"{', '.join(map(str, again[:5].tolist()))}.",
            where="table impressions, column impression_id",
            allowed="each impression_id once",
            do="Remove the repeated rows.",
        )
