"""Reads a log of any size: its users, its impressions, and its events by partition of users.

The impressions are columns in memory, a few numbers each. The events are not: they are spilled,
coded, into one temporary file a partition, and come back one partition at a time.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int32, Int64

from models.data.codes import FIRST, CodeTable
from models.data.impressions import batches
from models.data.row_blocks import pieces
from models.data.tables import TableScan
from models.errors import SchemaError

MAX_SPAN_S = 2**31 - 1


@dataclass(frozen=True)
class Users:
    """Every user of a log, and how much of it is theirs.

    Attributes:
        ids: Those of the users table in its order, then all others in order of id.
        events: Behaviours of each.
        shown: Impressions of each.
        origin_s: UTC seconds of the earliest event or impression.
        latest_s: UTC seconds of the latest one.
    """

    ids: pl.Series
    events: Int64[np.ndarray, " U"]
    shown: Int64[np.ndarray, " U"]
    origin_s: int
    latest_s: int

    def offsets(self) -> Int64[np.ndarray, " U1"]:
        """Return where each user's events begin when all stand in order of user, and the end."""
        offsets = np.zeros(len(self.ids) + 1, dtype=np.int64)
        np.cumsum(self.events, out=offsets[1:])
        return offsets


def find_users(scan: TableScan, known: pl.Series) -> Users:
    """Return all users: the ``known`` ones first, in their order.

    Raises:
        SchemaError: the times span more than 68 years, which no log does.
    """
    counted = [_count(table) for table in (scan.behaviours, scan.impressions)]
    found = pl.concat([count["user_id"].cast(known.dtype) for count in counted]).unique()
    others = found.filter(~found.is_in(known.implode())).sort()
    ids = pl.concat([known.alias("user_id"), others.alias("user_id")])
    numbers = [
        ids.to_frame()
        .join(count.cast({"user_id": ids.dtype}), on="user_id", how="left", maintain_order="left")
        .get_column("rows")
        .fill_null(0)
        .cast(pl.Int64)
        .to_numpy()
        for count in counted
    ]
    times = pl.concat([count[name] for count in counted for name in ("first", "last")])
    ends = times.drop_nulls().to_numpy()
    span = (int(ends.min()), int(ends.max())) if len(ends) else (0, 0)
    return Users(ids, numbers[0], numbers[1], *check_span(*span))


def check_ids(scan: TableScan) -> None:
    """Raise `SchemaError` where an item or a user has more than one row in its own table."""
    for name, column in (("items", "item_id"), ("users", "user_id")):
        ids = scan.items[column] if name == "items" else scan.users[column]
        if repeated := len(ids) - ids.n_unique():
            first = ids.filter(ids.is_duplicated()).head(5).to_list()
            raise SchemaError(
                f"{repeated} rows repeat a {column}: {', '.join(map(str, first))}.",
                where=f"table {name}, column {column}",
                allowed=f"each {column} once",
                do="Remove the repeated rows.",
            )


def check_span(origin_s: int, latest_s: int) -> tuple[int, int]:
    """Return both; raise `SchemaError` where seconds between them do not fit into 31 bits."""
    if latest_s - origin_s > MAX_SPAN_S:
        raise SchemaError(
            f"The timestamps go from {origin_s} to {latest_s}: "
            f"{(latest_s - origin_s) // 31556952} years.",
            where="columns timestamp of impressions and behaviours",
            allowed="UTC seconds within 68 years",
            do="Look for timestamps in milliseconds, and set their unit in the data set's file.",
        )
    return origin_s, latest_s


def partition(users: Users, rows: int) -> Int64[np.ndarray, " P1"]:
    """Return the first user of each partition, and the end: about ``rows`` rows in each."""
    until = np.cumsum(users.events + users.shown)
    number = (until - users.events - users.shown) // rows
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return np.r_[starts, len(until)].astype(np.int64)


def parts_of(bounds: Int64[np.ndarray, " P1"]) -> Int32[np.ndarray, " U"]:
    """Return the partition of each user."""
    return np.repeat(np.arange(len(bounds) - 1, dtype=np.int32), np.diff(bounds))


class Spill:
    """Events on disk by partition: user, item code, seconds since the origin."""

    def __init__(self, folder: Path, bounds: Int64[np.ndarray, " P1"]) -> None:
        self._folder, self._part_of = folder, parts_of(bounds)

    def fill(self, scan: TableScan, users: CodeTable, items: CodeTable, origin_s: int) -> None:
        """Read all behaviours once."""
        for batch in batches(scan.behaviours, ["user_id", "item_id", "timestamp"]):
            user = users.codes(batch["user_id"]) - np.int32(FIRST)
            part = self._part_of[user]
            seconds = (batch["timestamp"].to_numpy() - origin_s).astype(np.int32)
            events = np.stack([user, items.codes(batch["item_id"]), seconds], axis=1)
            self._add(part, events)

    def take(self, part: int) -> Int32[np.ndarray, "E 3"]:
        """Return the events of a partition in the order of the table, and forget them."""
        path = self._folder / f"{part}.bin"
        if not path.is_file():
            return np.empty((0, 3), dtype=np.int32)
        events = np.fromfile(path, dtype=np.int32).reshape(-1, 3)
        path.unlink()
        return events

    def _add(self, part: Int32[np.ndarray, " E"], events: Int32[np.ndarray, "E 3"]) -> None:
        for number, rows in pieces(part):
            with (self._folder / f"{number}.bin").open("ab") as file:
                file.write(events[rows].data)


def _count(table: pl.LazyFrame) -> pl.DataFrame:
    time = pl.col("timestamp")
    return (
        table.group_by("user_id")
        .agg(rows=pl.len(), first=time.min(), last=time.max())
        .collect(engine="streaming")
    )
