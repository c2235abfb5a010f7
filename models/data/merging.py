"""Puts new events into timelines that are there already.

Old events keep their order, and all users' timelines stay in one array without gaps: a new event
moves those behind it. So every file is copied once, and only the timelines of users with something
new are looked at.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Int64

from models.data.array_files import ArrayWriter, blocks
from models.data.log import check_span
from models.data.store import EVENT_ARRAYS, ExampleStore, array_file
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
class Merged:
    """All timelines after new events came in.

    Attributes:
        starts: First event of each user in the new array, by position.
        ends: One past the last.
        moved: How far each user's first event has moved.
        users: The users with something new, in the order their timelines have in the array.
        timelines: Their whole timelines; user ``i`` of these is ``users[i]``.
        places: Before which old event each new one goes, ascending.
        items: Item code of each new event.
        times: Seconds since the store's ``origin_s`` of each new event; may be negative.
    """

    starts: Int64[np.ndarray, " U"]
    ends: Int64[np.ndarray, " U"]
    moved: Int64[np.ndarray, " U"]
    users: Int64[np.ndarray, " A"]
    timelines: Timelines
    places: Int64[np.ndarray, " E"]
    items: Int32[np.ndarray, " E"]
    times: Int32[np.ndarray, " E"]

    def write(self, previous: ExampleStore, folder: Path) -> None:
        """Write the two files of the events into ``folder``."""
        old, padding = previous.num_events, previous.config.history_length
        for name, values in zip(EVENT_ARRAYS, (self.items, self.times), strict=True):
            length, done = old + len(values) + padding, 0
            with ArrayWriter(array_file(folder, name), "<i4", length) as file:
                for first, part in blocks(array_file(previous.folder, name), old):
                    until = int(np.searchsorted(self.places, first + len(part)))
                    places = self.places[done:until] - first
                    file.append(np.insert(part, places, values[done:until]))
                    done = until
                file.append(values[done:])
                file.append(np.zeros(padding, dtype=np.int32))


def new_events(previous: ExampleStore, events: Events) -> Bool[np.ndarray, " E"]:
    """Return which events are new: given again, one counts as often as it does in one table."""
    users = np.unique(events.user)
    users = users[users + 2 < len(previous.timeline_start)]
    owner, place = _events_of(previous, users)
    time = previous.event_times_s(place)
    late = np.flatnonzero(time >= events.time.min(initial=np.iinfo(np.int64).max))
    there = _numbered(users[owner[late]], previous.event_items(place[late]), time[late])
    given = _numbered(events.user, events.item, events.time).with_row_index()
    fresh = given.join(there, on=there.columns, how="anti")["index"]
    new = np.zeros(len(events.user), dtype=bool)
    new[fresh.to_numpy()] = True
    return new


def merge_events(
    previous: ExampleStore,
    events: Events,
    *,
    num_users: int,
    users: Int[np.ndarray, " A"],
    times: Int64[np.ndarray, " N"],
) -> Merged:
    """Return all timelines with ``events`` in them.

    Args:
        previous: The store that holds the old events.
        events: The new ones.
        num_users: How many users there are, old and new.
        users: Those with new events or new impressions.
        times: UTC seconds of the new impressions.

    Raises:
        SchemaError: the times span more than 68 years.
    """
    origin_s = previous.origin_s
    starts, ends = _bounds(previous, num_users)
    rank = np.lexsort((np.arange(num_users), ends, starts))
    place_of = np.empty(num_users, dtype=np.int64)
    place_of[rank] = np.arange(num_users)
    users = users[np.argsort(place_of[users])].astype(np.int64)
    local = np.full(num_users, -1, dtype=np.int64)
    local[users] = np.arange(len(users))
    old_owner, old_place = _events_of(previous, users)
    given = np.concatenate([events.time, times, previous.time[-1:], [origin_s]])
    first_s, last_s = check_span(int(given.min()), int(given.max()))
    owner = np.concatenate([old_owner, local[events.user]])
    item = np.concatenate([previous.event_items(old_place), events.item])
    seconds = np.concatenate([previous.event_times_s(old_place), events.time]) - first_s
    last_s = max(last_s, first_s + int(seconds.max(initial=0)))
    order = np.argsort(owner * (last_s - first_s + 2) + seconds, kind="stable")
    offsets = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(owner, minlength=len(users)), out=offsets[1:])
    seconds = seconds[order].astype(np.int32)
    timelines = Timelines(offsets, item[order], seconds, first_s, last_s - first_s)
    put = np.flatnonzero(order >= len(old_owner))
    owners = owner[order[put]]
    lengths = (ends - starts)[users]
    before = put - np.arange(len(put)) - (np.cumsum(lengths) - lengths)[owners]
    counts = np.bincount(events.user, minlength=num_users)
    moved = np.empty(num_users, dtype=np.int64)
    moved[rank] = np.cumsum(counts[rank]) - counts[rank]
    return Merged(
        starts=starts + moved,
        ends=ends + moved + counts,
        moved=moved,
        users=users,
        timelines=timelines,
        places=starts[users[owners]] + before,
        items=timelines.items[put],
        times=(timelines.times[put] + np.int64(first_s - origin_s)).astype(np.int32),
    )


def _bounds(
    previous: ExampleStore, num_users: int
) -> tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " U"]]:
    """Return where every user's events stand so far; new users have none, at the end."""
    old = (previous.timeline_start[2:], previous.timeline_end[2:])
    fresh = np.full(num_users - len(old[0]), previous.num_events, dtype=np.int64)
    return np.concatenate([old[0], fresh]), np.concatenate([old[1], fresh])


def _events_of(
    previous: ExampleStore, users: Int[np.ndarray, " A"]
) -> tuple[Int64[np.ndarray, " E"], Int64[np.ndarray, " E"]]:
    """Return index among ``users`` and place of all old events of theirs."""
    known = users + 2 < len(previous.timeline_start)
    starts, lengths = np.zeros(len(users), np.int64), np.zeros(len(users), np.int64)
    starts[known] = previous.timeline_start[users[known] + 2]
    lengths[known] = previous.timeline_end[users[known] + 2] - starts[known]
    before = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(users)), lengths)
    return owner, np.arange(lengths.sum()) + (starts - before)[owner]


def _numbered(
    user: Int[np.ndarray, " E"], item: Int32[np.ndarray, " E"], time: Int64[np.ndarray, " E"]
) -> pl.DataFrame:
    """Return the events with the how-manieth of its like each is."""
    frame = pl.DataFrame({"user": user.astype(np.int64), "item": item, "time": time})
    return frame.with_columns(again=pl.int_range(pl.len()).over("user", "item", "time"))
