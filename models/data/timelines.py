"""Every user's events once, in order of time: what histories and derived triggers point into."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int32, Int64

from models.errors import SchemaError

_MAX_SPAN_S = 2**31 - 1


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
        stride = self.span_s + 2
        counts = np.diff(self.offsets)
        owners = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        keys = owners * stride + self.times
        moments = np.clip(times - self.origin_s, 0, self.span_s + 1)
        return np.searchsorted(keys, users * np.int64(stride) + moments, side="left")


def build_timelines(
    users: Int[np.ndarray, " E"],
    items: Int32[np.ndarray, " E"],
    times: Int64[np.ndarray, " E"],
    *,
    num_users: int,
    impression_times: Int64[np.ndarray, " N"],
) -> Timelines:
    """Return the timelines of events given in any order; events of one second keep theirs.

    Raises:
        SchemaError: the times span more than 68 years, which no log does.
    """
    ends = [bound(t) for t in (times, impression_times) if len(t) for bound in (np.min, np.max)]
    origin, latest = (int(min(ends)), int(max(ends))) if ends else (0, 0)
    if latest - origin > _MAX_SPAN_S:
        raise SchemaError(
            f"The timestamps go from {origin} to {latest}: {(latest - origin) // 31556952} years.",
            where="columns timestamp of impressions and behaviours",
            allowed="UTC seconds within 68 years",
            do="Look for timestamps in milliseconds, and set their unit in the data set's file.",
        )
    order = np.lexsort((times, users))
    offsets = np.zeros(num_users + 1, dtype=np.int64)
    np.cumsum(np.bincount(users, minlength=num_users), out=offsets[1:])
    relative = (times[order] - origin).astype(np.int32)
    return Timelines(offsets, items[order], relative, origin, latest - origin)


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
