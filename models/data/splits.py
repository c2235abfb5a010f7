"""Train, valid and test, always by time, and never through the middle of a request."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Int8, Int32, Int64
from pydantic import PositiveFloat, PositiveInt

from models.data.request_index import first_rows
from models.errors import SplitError
from models.settings import Settings


class SplitConfig(Settings):
    """How impressions are divided.

    Attributes:
        kind: ``days``, the newest calendar days (UTC) are test, those before valid; ``ratio``, by
            shares of the impressions in order of time; ``leave_one_out``, each user's last request
            with a click is test and the one before valid.
        ratio: Shares of train, valid and test, for ``ratio``.
        scope: For ``ratio``: over each ``user``'s own impressions, or one ``global`` cut in time.
        train_days: For ``days``: how many days before valid are train; all that there are if null.
        valid_days: For ``days``.
        test_days: For ``days``.
    """

    kind: Literal["days", "ratio", "leave_one_out"] = "ratio"
    ratio: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (8.0, 1.0, 1.0)
    scope: Literal["user", "global"] = "global"
    train_days: PositiveInt | None = None
    valid_days: PositiveInt = 1
    test_days: PositiveInt = 1


def assign_splits(
    config: SplitConfig,
    users: Int[np.ndarray, " N"],
    times: Int64[np.ndarray, " N"],
    requests: Int32[np.ndarray, " N"],
    labels: Int8[np.ndarray, " N"],
) -> Int8[np.ndarray, " N"]:
    """Return the split of every impression: 0 train, 1 valid, 2 test, -1 older than train.

    A request counts by the time of its first impression and is never divided. Impressions must be
    in order of time, and requests numbered by first appearance.
    """
    first = first_rows(requests)
    starts = times[first]
    if config.kind == "days":
        return _by_days(config, starts)[requests]
    if config.kind == "leave_one_out":
        clicked = np.bincount(requests, weights=labels, minlength=len(first)) > 0
        return _leave_one_out(users[first], starts, clicked)[requests]
    sizes = np.bincount(requests, minlength=len(first))
    if config.scope == "user":
        return _by_user_ratio(config.ratio, users[first], starts, sizes)[requests]
    return _by_global_ratio(config.ratio, starts, sizes)[requests]


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
    num_users = len(np.unique(users))
    if num_users < 2:
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


def _by_days(config: SplitConfig, starts: Int64[np.ndarray, " R"]) -> Int8[np.ndarray, " R"]:
    days = starts // 86400
    age = days.max(initial=0) - days
    until = np.array([config.test_days, config.test_days + config.valid_days])
    splits = 2 - np.searchsorted(until, age, side="right")
    if config.train_days is not None:
        splits = np.where(age >= until[1] + config.train_days, -1, splits)
    return splits.astype(np.int8)


def _by_global_ratio(
    ratio: tuple[float, float, float], starts: Int64[np.ndarray, " R"], sizes: Int[np.ndarray, " R"]
) -> Int8[np.ndarray, " R"]:
    """Cut at the times before which the shares lie; impressions of one second stay together."""
    moments = np.sort(np.repeat(starts, sizes))
    shares = np.cumsum(ratio)[:2] * len(moments) / sum(ratio)
    cuts = np.minimum(np.ceil(shares).astype(np.int64), len(moments) - 1)
    return np.searchsorted(moments[cuts], starts, side="right").astype(np.int8)


def _by_user_ratio(
    ratio: tuple[float, float, float],
    users: Int[np.ndarray, " R"],
    starts: Int64[np.ndarray, " R"],
    sizes: Int[np.ndarray, " R"],
) -> Int8[np.ndarray, " R"]:
    """Cut each user's impressions at the shares; a request goes where its first one does."""
    order = np.lexsort((np.arange(len(users)), starts, users))
    before = np.cumsum(sizes[order]) - sizes[order]  # impressions before, of all users
    owners = users[order]
    totals = np.bincount(owners, weights=sizes[order])[owners]
    new_user = np.r_[True, owners[1:] != owners[:-1]]
    position = before - before[new_user][np.cumsum(new_user) - 1]
    scaled = position * sum(ratio)
    splits = np.empty(len(users), dtype=np.int8)
    splits[order] = (scaled >= ratio[0] * totals).astype(np.int8) + (
        scaled >= (ratio[0] + ratio[1]) * totals
    )
    return splits


def _leave_one_out(
    users: Int[np.ndarray, " R"], starts: Int64[np.ndarray, " R"], clicked: Bool[np.ndarray, " R"]
) -> Int8[np.ndarray, " R"]:
    """Cut at each user's last and last but one clicked request; users with fewer than 3 train."""
    order = np.lexsort((np.arange(len(users)), starts, users))
    owners, clicks = users[order], clicked[order].astype(np.int64)
    until_now = np.cumsum(clicks)
    last_of_user = np.r_[owners[1:] != owners[:-1], True]
    group = np.cumsum(np.r_[False, last_of_user[:-1]])
    totals = np.bincount(group, weights=clicks).astype(np.int64)[group]
    later = until_now[last_of_user][group] - until_now  # clicked requests after this one
    splits = np.empty(len(users), dtype=np.int8)
    splits[order] = np.where(totals < 3, 0, 2 - np.minimum(later, 2))
    return splits
