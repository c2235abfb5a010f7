"""Every user's events once, in order of time: what histories and derived triggers point into."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int32, Int64


@dataclass(frozen=True)
class Timelines:
    """All users' events in one array (CSR).

    Attributes:
        offsets: Events of user ``u`` stand at ``offsets[u]:offsets[u + 1]``.
        items: Item code of each event.
        times: Seconds of each event since ``origin_s``, ascending within a user.
        origin_s: UTC seconds of the earliest event or impression.
        span_s: Seconds from there to the latest event or impression.
    """

    offsets: Int64[np.ndarray, " U1"]
    items: Int32[np.ndarray, " E"]
    times: Int32[np.ndarray, " E"]
    origin_s: int
    span_s: int

    def first_at_or_after(
        self, users: Int[np.ndarray, " N"], times: Int64[np.ndarray, " N"]
    ) -> Int64[np.ndarray, " N"]:
        """Return the index of each user's first event at or after the given UTC seconds.

        It is one past the user's last event where there is none.
        """
        moments = np.clip(times - self.origin_s, 0, self.span_s + 1)
        wanted = users * np.int64(self.span_s + 2) + moments
        return np.searchsorted(self._keys, wanted, side="left")

    @cached_property
    def _keys(self) -> Int64[np.ndarray, " E"]:
        """Return ascending numbers for user and time of every event."""
        counts = np.diff(self.offsets)
        owners = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        return owners * (self.span_s + 2) + self.times


def build_timelines(
    users: Int[np.ndarray, " E"],
    items: Int32[np.ndarray, " E"],
    times: Int32[np.ndarray, " E"],
    *,
    num_users: int,
    origin_s: int,
    span_s: int,
) -> Timelines:
    """Return the timelines of events given in any order; events of one second keep theirs.

    Args:
        users: Whose each event is: 0 … ``num_users`` - 1.
        items: Its item code.
        times: Seconds since ``origin_s``, at most ``span_s``.
        num_users: Number of users.
        origin_s: UTC seconds; nothing happens earlier.
        span_s: Seconds from there to the latest event or impression.
    """
    keys = users.astype(np.int64) * (span_s + 2) + times
    order = np.argsort(keys, kind="stable")
    offsets = np.zeros(num_users + 1, dtype=np.int64)
    np.cumsum(np.bincount(users, minlength=num_users), out=offsets[1:])
    return Timelines(offsets, items[order], times[order], origin_s, span_s)


def history_starts(
    timelines: Timelines,
    users: Int[np.ndarray, " N"],
    times: Int64[np.ndarray, " N"],
    *,
    ends: Int64[np.ndarray, " N"],
    history_days: float | None,
    history_length: int,
) -> Int64[np.ndarray, " N"]:
    """Return the first event of each history; one past its last is ``ends``.

    A history holds the user's newest ``history_length`` events of
    ``[time - history_days, time)``: strictly before the impression.

    Args:
        timelines: The users' events.
        users: Whose each impression is.
        times: When it was, UTC seconds.
        ends: The user's first event at or after that time.
        history_days: How far a history reaches back; ``None`` = as far as the log does.
        history_length: Events at most.
    """
    start = np.maximum(timelines.offsets[users], ends - history_length)
    if history_days is not None:
        reach = int(history_days * 86400)
        start = np.maximum(start, timelines.first_at_or_after(users, times - reach))
    return start
