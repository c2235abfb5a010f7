"""Puts new events into timelines that are there already.

Old events keep their order, and all users' timelines stay in one array without gaps: a new event
moves those behind it. So every file is copied once, and only the timelines of users with something
new are looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Int64

from models.data.array_files import ArrayWriter, blocks
from models.data.codes import FIRST
from models.data.log import check_span
from models.data.store import ExampleStore, array_file
from models.data.timelines import Timelines


@dataclass(frozen=True)
class Events:
    """Events in the order of their table.

    Attributes:
        user: Position of the user.
        item: Item code.
        time: UTC seconds.
    """

    user: Int32[np.ndarray, " E"]
    item: Int32[np.ndarray, " E"]
    time: Int64[np.ndarray, " E"]

    def take(self, rows: Int[np.ndarray, " R"]) -> "Events":
        """Return some of the events."""
        return Events(self.user[rows], self.item[rows], self.time[rows])


@dataclass(frozen=True)
class Inserted:
    """New events, and where they go.

    Attributes:
        places: Before which old event each one goes, ascending.
        items: Item codes.
        times: Seconds since the store's ``origin_s``; may be negative.
    """

    places: Int64[np.ndarray, " E"]
    items: Int32[np.ndarray, " E"]
    times: Int32[np.ndarray, " E"]


@dataclass(frozen=True)
class Part:
    """Some users who have something new.

    Attributes:
        first: The first of these users among all that have something new.
        timelines: Their whole timelines; user ``i`` of these is ``first + i``.
        inserted: Their new events.
    """

    first: int
    timelines: Timelines
    inserted: Inserted


class Merge:
    """New events among old ones.

    Args:
        previous: The store that holds the old events.
        events: The new ones.
        num_users: How many users there are, old and new.
        users: Those with new events or new impressions.
        times: UTC seconds of the new impressions.

    Attributes:
        starts: First event of each user in the new array, by position.
        ends: One past the last.
        moved: How far each user's first event has moved.
        users: The users with something new, in the order their timelines have in the array.
        span_s: First and last second of all there is, UTC.

    Raises:
        SchemaError: the times span more than 68 years.
    """

    def __init__(
        self,
        previous: ExampleStore,
        events: Events,
        *,
        num_users: int,
        users: Int[np.ndarray, " A"],
        times: Int64[np.ndarray, " N"],
    ) -> None:
        starts, ends = _bounds(previous, num_users)
        rank = np.lexsort((np.arange(num_users), ends, starts))
        place = np.empty(num_users, dtype=np.int64)
        place[rank] = np.arange(num_users)
        self.users = users[np.argsort(place[users])].astype(np.int64)
        local = np.empty(num_users, dtype=np.int64)
        local[self.users] = np.arange(len(self.users))
        counts = np.bincount(events.user, minlength=num_users)
        self.moved = np.empty(num_users, dtype=np.int64)
        self.moved[rank] = np.cumsum(counts[rank]) - counts[rank]
        self.starts, self.ends = starts + self.moved, ends + self.moved + counts
        self._previous, self._old_starts = previous, starts
        self._events = events.take(np.argsort(local[events.user], kind="stable"))
        self._owners = local[self._events.user]
        seconds = np.concatenate([events.time, times, np.array(previous.span_s)])
        self.span_s = check_span(int(seconds.min()), int(seconds.max()))

    def parts(self, rows: int) -> Iterator[Part]:
        """Yield all users with something new, about ``rows`` events at a time."""
        sizes = (self.ends - self.starts)[self.users]
        number = (np.cumsum(sizes) - sizes) // rows
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        for first, until in pairwise([*starts.tolist(), len(self.users)]):
            yield self._part(first, until)

    def _part(self, first: int, until: int) -> Part:
        previous, users = self._previous, self.users[first:until]
        old_owner, old_place = _events_of(previous, users)
        own = slice(*np.searchsorted(self._owners, [first, until]))
        owner = np.concatenate([old_owner, self._owners[own] - first])
        item = np.concatenate([previous.event_items(old_place), self._events.item[own]])
        begin_s, end_s = self.span_s
        seconds = np.concatenate([previous.event_times_s(old_place), self._events.time[own]])
        seconds = (seconds - begin_s).astype(np.int32)
        order = np.argsort(owner * (end_s - begin_s + 2) + seconds, kind="stable")
        offsets = np.zeros(len(users) + 1, dtype=np.int64)
        np.cumsum(np.bincount(owner, minlength=len(users)), out=offsets[1:])
        timelines = Timelines(offsets, item[order], seconds[order], begin_s, end_s - begin_s)
        put = np.flatnonzero(order >= len(old_owner))  # old events before, of this part's users:
        before = put - np.arange(len(put))
        owners = owner[order[put]]
        earlier = np.searchsorted(old_owner, owners)
        times = timelines.times[put] + np.int64(begin_s - previous.origin_s)
        inserted = Inserted(
            self._old_starts[users[owners]] + before - earlier,
            timelines.items[put],
            times.astype(np.int32),
        )
        return Part(first, timelines, inserted)


def write_events(previous: ExampleStore, inserted: list[Inserted], folder: Path) -> None:
    """Write the two files of the events into ``folder``: the old ones with the new ones between."""
    old, padding = previous.num_events, previous.config.history_length
    empty = np.empty(0, dtype=np.int64)
    all_places = np.concatenate([empty, *(part.places for part in inserted)])
    new = (("item", [part.items for part in inserted]), ("time", [part.times for part in inserted]))
    for name, pieces in new:
        values = np.concatenate([empty.astype(np.int32), *pieces])
        length, done = old + len(values) + padding, 0
        source = array_file(previous.folder, f"event_{name}")
        with ArrayWriter(array_file(folder, f"event_{name}"), "<i4", length) as file:
            for first, block in blocks(source, old):
                until = int(np.searchsorted(all_places, first + len(block)))
                file.append(np.insert(block, all_places[done:until] - first, values[done:until]))
                done = until
            file.append(values[done:])
            file.append(np.zeros(padding, dtype=np.int32))


def new_events(previous: ExampleStore, events: Events, rows: int) -> Bool[np.ndarray, " E"]:
    """Return which events are new: given again, one counts as often as it does in one table.

    Only users whose old events reach into the new ones' time are compared, about ``rows`` old
    events at a time.
    """
    new = np.ones(len(events.user), dtype=bool)
    num_old = len(previous.timeline_start) - FIRST
    order = np.argsort(events.user, kind="stable")
    users, first = np.unique(events.user[order], return_index=True)
    if not len(users):
        return new
    earliest = np.minimum.reduceat(events.time[order], first)
    known = users < num_old
    users, earliest = users[known].astype(np.int64), earliest[known]
    ends = previous.timeline_end[users + FIRST]
    lengths = ends - previous.timeline_start[users + FIRST]
    last = previous.event_times_s(np.maximum(ends - 1, 0))
    reach = (lengths > 0) & (last >= earliest)
    users, lengths = users[reach], lengths[reach]
    number = (np.cumsum(lengths) - lengths) // rows
    starts = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    for some in (users[a:b] for a, b in pairwise([*starts, len(users)])):
        given = np.flatnonzero(np.isin(events.user, some))
        new[given] = _not_there(previous, some, events.take(given))
    return new


def _not_there(
    previous: ExampleStore, users: Int64[np.ndarray, " A"], events: Events
) -> Bool[np.ndarray, " E"]:
    owner, place = _events_of(previous, users)
    time = previous.event_times_s(place)
    late = np.flatnonzero(time >= events.time.min())
    there = _numbered(users[owner[late]], previous.event_items(place[late]), time[late])
    given = _numbered(events.user, events.item, events.time).with_row_index()
    fresh = given.join(there, on=there.columns, how="anti")["index"]
    new = np.zeros(len(events.user), dtype=bool)
    new[fresh.to_numpy()] = True
    return new


def _bounds(
    previous: ExampleStore, num_users: int
) -> tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " U"]]:
    """Return where every user's events stand so far; new users have none, at the end."""
    old = (previous.timeline_start[FIRST:], previous.timeline_end[FIRST:])
    fresh = np.full(num_users - len(old[0]), previous.num_events, dtype=np.int64)
    return np.concatenate([old[0], fresh]), np.concatenate([old[1], fresh])


def _events_of(
    previous: ExampleStore, users: Int[np.ndarray, " A"]
) -> tuple[Int64[np.ndarray, " E"], Int64[np.ndarray, " E"]]:
    """Return index among ``users`` and place of all old events of theirs."""
    known = users + FIRST < len(previous.timeline_start)
    starts, lengths = np.zeros(len(users), np.int64), np.zeros(len(users), np.int64)
    starts[known] = previous.timeline_start[users[known] + FIRST]
    lengths[known] = previous.timeline_end[users[known] + FIRST] - starts[known]
    before = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(users)), lengths)
    return owner, np.arange(lengths.sum()) + (starts - before)[owner]


def _numbered(
    user: Int[np.ndarray, " E"], item: Int32[np.ndarray, " E"], time: Int64[np.ndarray, " E"]
) -> pl.DataFrame:
    """Return the events with the how-manieth of its like each is."""
    frame = pl.DataFrame({"user": user.astype(np.int64), "item": item, "time": time})
    return frame.with_columns(again=pl.int_range(pl.len()).over("user", "item", "time"))
