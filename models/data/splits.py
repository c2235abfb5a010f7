"""Train, valid and test, always by time, and never through the middle of a request."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Int8, Int32, Int64
from pydantic import Field, PositiveFloat, PositiveInt

from models.data.request_index import first_rows
from models.data.row_blocks import look_up
from models.errors import SplitError
from models.settings import Settings

_DAY_S = 86400


class SplitConfig(Settings):
    """How impressions are divided.

    Attributes:
        kind: ``days``, the newest calendar days are test, those before valid; ``ratio``, by
            shares of the impressions in order of time; ``leave_one_out``, each user's last request
            is test and the one before valid.
        ratio: Shares of train, valid and test, for ``ratio``.
        scope: For ``ratio``: over each ``user``'s own impressions, or one ``global`` cut in time.
        train_days: For ``days``: how many days before valid are train; all that there are if null.
        valid_days: For ``days``; less than 1 takes the last hours before test, for papers that
            have no valid split (DAIAN 5.1: 7 days train, 1 day test).
        test_days: For ``days``.
        utc_offset_h: For ``days``: hours by which the log's local midnight is before that of UTC;
            8 for Beijing, -3 for Brasília.
        left_out: For ``leave_one_out``: a user's last requests with a ``click``, or the last ones
            of ``any`` label (GenCI 3.1, on ratings).
    """

    kind: Literal["days", "ratio", "leave_one_out"] = "ratio"
    ratio: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (8.0, 1.0, 1.0)
    scope: Literal["user", "global"] = "global"
    train_days: PositiveFloat | None = None
    valid_days: PositiveFloat = 1
    test_days: PositiveInt = 1
    utc_offset_h: float = Field(default=0.0, ge=-12, le=14)
    left_out: Literal["click", "any"] = "click"


@dataclass(frozen=True)
class Cuts:
    """Where the splits of a whole log begin, in UTC seconds.

    Attributes:
        train: Requests that begin earlier are in no split; null = all earlier ones are train.
        valid: Requests that begin from here on are valid …
        test: … and from here on test.
    """

    train: int | None
    valid: int
    test: int

    def splits(self, starts: Int64[np.ndarray, " R"]) -> Int8[np.ndarray, " R"]:
        """Return the split of requests that begin at ``starts``: -1, 0, 1 or 2."""
        splits = (starts >= self.valid).astype(np.int8) + (starts >= self.test).astype(np.int8)
        if self.train is not None:
            splits[starts < self.train] = -1
        return splits


def find_cuts(
    config: SplitConfig, starts: Int64[np.ndarray, " R"], sizes: Int[np.ndarray, " R"]
) -> Cuts | None:
    """Return the cuts in time of a log, or None where every user is divided by itself.

    Args:
        config: How to divide.
        starts: UTC seconds at which each request begins, in any order.
        sizes: Impressions of each request.
    """
    if config.kind == "days":
        return _day_cuts(config, int(starts.max(initial=0)))
    if config.kind == "ratio" and config.scope == "global":
        return _ratio_cuts(config.ratio, starts, sizes)
    return None


def assign_splits(
    config: SplitConfig,
    users: Int[np.ndarray, " N"],
    times: Int64[np.ndarray, " N"],
    requests: Int32[np.ndarray, " N"],
    labels: Int8[np.ndarray, " N"],
    *,
    cuts: Cuts | None = None,
) -> Int8[np.ndarray, " N"]:
    """Return the split of every impression: 0 train, 1 valid, 2 test, -1 older than train.

    A request counts by the time of its first impression and is never divided. Impressions must be
    in order of time, and requests numbered by first appearance. Where times are equal, the order of
    the impressions decides, except for a cut in time: it takes all of a second.

    The impressions may be those of some users only, if the whole log's ``cuts`` are given.
    """
    first = first_rows(requests)
    starts = times[first]
    sizes = np.bincount(requests, minlength=len(first))
    cuts = cuts or find_cuts(config, starts, sizes)
    if cuts is not None:
        return look_up(cuts.splits(starts), requests)
    if config.kind == "leave_one_out":
        clicks = np.bincount(requests, weights=labels, minlength=len(first))
        counted = clicks > 0 if config.left_out == "click" else np.ones(len(first), dtype=bool)
        return look_up(_leave_one_out(users[first], counted), requests)
    return look_up(_by_user_ratio(config.ratio, users[first], sizes), requests)


def check_splits(
    config: SplitConfig,
    users: Int[np.ndarray, " N"],
    labels: Int8[np.ndarray, " N"],
    splits: Int8[np.ndarray, " N"],
) -> None:
    """Check that every split holds both classes, and the log more than one user.

    Raises:
        SplitError: with the number of impressions and clicks of every split.
    """
    num_users = min(len(users), 1)
    if (users == users[:1]).all():
        raise SplitError(
            f"The {len(users)} impressions are of {num_users} user{'s' * (num_users != 1)}.",
            where="table impressions, column user_id",
            allowed="2 users or more",
            do="Check which column user_id is read from.",
        )
    counts = [(int((splits == i).sum()), int(labels[splits == i].sum())) for i in range(3)]
    numbers = "; ".join(
        f"{name} {rows} impressions, {clicks} clicks"
        for name, (rows, clicks) in zip(("train", "valid", "test"), counts, strict=True)
    )
    for name, (rows, clicks) in zip(("train", "valid", "test"), counts, strict=True):
        if clicks in (0, rows):
            lack = "is empty" if not rows else f"has no {'clicks' if not clicks else 'negatives'}"
            raise SplitError(
                f"The {name} split {lack} ({numbers}).",
                where=f"examples.split, kind {config.kind}",
                allowed="at least one clicked and one unclicked impression in each split",
                do="Use longer splits or kind 'ratio'; for a log of positives only, set "
                "examples.negatives.",
            )


def _day_cuts(config: SplitConfig, latest: int) -> Cuts:
    offset = round(config.utc_offset_h * 3600)
    end = ((latest + offset) // _DAY_S + 1) * _DAY_S - offset  # the midnight after the log
    test = end - config.test_days * _DAY_S
    valid = test - round(config.valid_days * _DAY_S)
    train = None if config.train_days is None else valid - round(config.train_days * _DAY_S)
    return Cuts(train, valid, test)


def _ratio_cuts(
    ratio: tuple[float, float, float], starts: Int64[np.ndarray, " R"], sizes: Int[np.ndarray, " R"]
) -> Cuts:
    """Cut at the times before which the shares lie; impressions of one second stay together."""
    moments = np.sort(np.repeat(starts, sizes))
    if not len(moments):
        return Cuts(None, 0, 0)
    shares = np.cumsum(ratio)[:2] * len(moments) / sum(ratio)
    valid, test = moments[np.minimum(np.ceil(shares).astype(np.int64), len(moments) - 1)]
    return Cuts(None, int(valid), int(test))


def _by_user_ratio(
    ratio: tuple[float, float, float], users: Int[np.ndarray, " R"], sizes: Int[np.ndarray, " R"]
) -> Int8[np.ndarray, " R"]:
    """Cut each user's impressions at the shares; a request goes where its first one does."""
    order = _user_order(users)
    ends = np.cumsum(sizes[order])
    before = ends - sizes[order]  # impressions before, of all users
    lengths = np.diff(_bounds(users[order]))
    first = np.flatnonzero(_begins(users[order]))
    position = before - np.repeat(before[first], lengths)
    totals = np.repeat(ends[first + lengths - 1] - before[first], lengths)
    scaled = position * sum(ratio)
    splits = np.empty(len(users), dtype=np.int8)
    splits[order] = (scaled >= ratio[0] * totals).astype(np.int8) + (
        scaled >= (ratio[0] + ratio[1]) * totals
    )
    return splits


def _leave_one_out(
    users: Int[np.ndarray, " R"], counted: Bool[np.ndarray, " R"]
) -> Int8[np.ndarray, " R"]:
    """Cut at each user's last and last but one counted request; users with fewer than 3 train."""
    order = _user_order(users)
    until_now = np.cumsum(counted[order], dtype=np.int64)
    bounds = _bounds(users[order])
    lengths = np.diff(bounds)
    last = until_now[bounds[1:] - 1]
    later = np.repeat(last, lengths) - until_now  # counted requests after this one
    totals = np.repeat(np.diff(last, prepend=0), lengths)
    splits = np.empty(len(users), dtype=np.int8)
    splits[order] = np.where(totals < 3, 0, 2 - np.minimum(later, 2))
    return splits


def _user_order(users: Int[np.ndarray, " R"]) -> Int64[np.ndarray, " R"]:
    """Return the rows by user, each user's in their own order."""
    rows = len(users)
    if not rows:
        return np.empty(0, dtype=np.int64)
    keys = users.astype(np.int64) * rows + np.arange(rows)  # sorting keys is faster than argsort
    keys.sort()
    return keys % rows


def _begins(owners: Int[np.ndarray, " R"]) -> Bool[np.ndarray, " R"]:
    return np.diff(owners, prepend=owners[:1] - 1) != 0


def _bounds(owners: Int[np.ndarray, " R"]) -> Int64[np.ndarray, " U1"]:
    """Return where each owner's run begins, and the end."""
    return np.r_[np.flatnonzero(_begins(owners)), len(owners)]
