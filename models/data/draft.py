"""A store in the making: everything is known but splits, negatives and what is fitted on train."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int8, Int32, Int64

from models.data.array_files import blocks
from models.data.codes import FIRST
from models.data.fitting import Seen, Sides
from models.data.impressions import Impressions
from models.data.request_index import numbered
from models.data.row_blocks import RowGroups, row_blocks
from models.data.windows import Windows

EVENTS_OF_A_BLOCK = 1 << 18


@dataclass(frozen=True)
class Rows:
    """One row an example, in order of time. The columns of the store, users by position."""

    impression: Int64[np.ndarray, " N"]
    user: Int32[np.ndarray, " N"]
    target_item: Int32[np.ndarray, " N"]
    trigger_item: Int32[np.ndarray, " N"]
    time: Int64[np.ndarray, " N"]
    label: Int8[np.ndarray, " N"]
    request: Int32[np.ndarray, " N"]
    request_key: Int64[np.ndarray, " N"]
    history_start: Int32[np.ndarray, " N"]
    history_end: Int32[np.ndarray, " N"]
    split: Int8[np.ndarray, " N"]

    @classmethod
    def of(cls, shown: Impressions, windows: Windows) -> "Rows":
        """Return the examples of impressions in order of time."""
        return cls(
            impression=shown.impression,
            user=shown.user,
            target_item=shown.item,
            trigger_item=windows.trigger_item,
            time=shown.time,
            label=shown.label,
            request=numbered(windows.first),
            request_key=shown.request,
            history_start=windows.history_start.astype(np.int32, copy=False),
            history_end=windows.history_end.astype(np.int32, copy=False),
            split=np.zeros(shown.size, dtype=np.int8),
        )

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.user)

    def take(self, rows: Int[np.ndarray, " R"]) -> "Rows":
        """Return some of the rows."""
        return Rows(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True)
class Carried:
    """What an earlier store has shown to models already; nothing, where a store is built anew.

    Attributes:
        users: How many users, the first ones by position, have been of train.
        items: Whether each item of the catalogue has been shown by train.
        rows: Whether each row has been of train.
    """

    users: int
    items: Bool[np.ndarray, " I"]
    rows: Bool[np.ndarray, " N"]


@dataclass(frozen=True)
class Draft:
    """See above. The events are in their files in the folder already.

    Attributes:
        rows: The examples; without drawn negatives.
        drawn: Item codes of each row's drawn negatives; zeros where they are yet to be drawn.
        user_ids: Ids by position.
        item_ids: Ids in order of code.
        sides: All fields; the context has the rows of ``rows``.
        timelines: First event of each user, and one past the last, by position.
        origin_s: What the events' times count from, UTC seconds.
        span_s: First and last second of events and impressions, UTC.
        carried: What must keep its code.
    """

    rows: Rows
    drawn: Int32[np.ndarray, "N k"]
    user_ids: pl.Series
    item_ids: pl.Series
    sides: Sides
    timelines: tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " U"]]
    origin_s: int
    span_s: tuple[int, int]
    carried: Carried

    def take(self, rows: Int[np.ndarray, " R"]) -> "Draft":
        """Return the draft with some of its examples, their requests numbered anew."""
        return replace(
            self,
            rows=self.rows.take(rows),
            drawn=self.drawn[rows],
            sides=replace(self.sides, context=self.sides.context.take(rows)),
            carried=replace(self.carried, rows=self.carried.rows[rows]),
        )


def find_seen(draft: Draft, events: Path) -> Seen:
    """Return what train shows, with what it ever has shown."""
    rows, carried = draft.rows, draft.carried
    of_train = rows.split == 0
    in_train = np.zeros(len(draft.user_ids), dtype=bool)
    in_train[: carried.users] = True
    items = np.r_[np.zeros(FIRST, dtype=bool), carried.items]
    last = int(rows.history_end.max(initial=0))
    windows = RowGroups(last // EVENTS_OF_A_BLOCK + 1)
    for block in row_blocks(rows.size):
        train = np.flatnonzero(of_train[block]) + block.start
        in_train[rows.user[train]] = True
        fresh = train[~carried.rows[train]]
        for codes in (rows.target_item, rows.trigger_item, draft.drawn):
            items[codes[fresh].ravel()] = True
        windows.add(rows.history_start[fresh] // np.int32(EVENTS_OF_A_BLOCK), fresh)
    _mark_covered(events, (rows.history_start, rows.history_end), windows, last, items)
    order = np.argsort(~in_train, kind="stable")
    return Seen(order, int(in_train.sum()), items[FIRST:], of_train)


def _mark_covered(
    events: Path,
    histories: tuple[Int32[np.ndarray, " N"], Int32[np.ndarray, " N"]],
    windows: RowGroups,
    last: int,
    into: Bool[np.ndarray, " I"],
) -> None:
    """Mark the items of all events within the windows; reads each event once at most.

    Args:
        events: The file of the events' items.
        histories: First event, and one past the last, of each row.
        windows: Those whose histories count, by the block of events these start in.
        last: One past the last event of all histories.
        into: Of every item code.
    """
    opening, closing = histories
    reaching = np.empty(0, dtype=np.int32)  # ends of windows that go on after the blocks so far
    for number, first in enumerate(range(0, last, EVENTS_OF_A_BLOCK)):
        own = windows.take(number)
        if not len(own) + len(reaching):
            continue
        end = min(first + EVENTS_OF_A_BLOCK, last)
        ((_, items),) = blocks(events, end, start=first, size=EVENTS_OF_A_BLOCK)
        ends = np.concatenate([reaching, closing[own]])
        steps = np.bincount(opening[own] - first, minlength=len(items) + 1)
        steps[0] += len(reaching)
        steps -= np.bincount(ends[ends <= end] - first, minlength=len(items) + 1)
        into[items[np.cumsum(steps[:-1]) > 0]] = True
        reaching = ends[ends > end]
