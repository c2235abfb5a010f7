"""Who the model serves well: metrics by group of users, histories or items.

The groups: how diverse a user's intents are (DAIAN 5.2 (5), Figure 6), how volatile the recent
interests, how long the history, how cold the item.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int, Num, Real, Shaped
from numpy import ndarray

from models.errors import DataError
from models.metrics.intervals import paired_bootstrap, user_bootstrap
from models.metrics.ranking import auc, check_labels, gauc, log_loss

HISTORY_BANDS = (0, 1, 6, 16, 31, 50)
ITEM_BANDS = (0, 1, 5, 20, 100)
DIVERSITY_BANDS = (0, 1, 3, 5, 7)  # the last two as in DAIAN Figure 6: "7 or more"
DIVERSITY_DAYS = 7  # "calculated in the last week of training data", DAIAN 5.2 (5)
_DAY_S = 86_400


def intent_diversity(
    users: Shaped[ndarray, " N"],
    requests: Shaped[ndarray, " N"],
    labels: Shaped[ndarray, " N"],
    kinds: Shaped[ndarray, " N"],
    trigger_kinds: Shaped[ndarray, " N"],
) -> tuple[Shaped[ndarray, " U"], Float[ndarray, " U"]]:
    """Return the users and, for each, the diversity of their intents (DAIAN 5.2 (5)).

    That is the number of distinct kinds among the clicks of a request that differ from the
    trigger's kind, averaged over the user's requests with a click; nan for users without any.
    Count it on training data, of which the paper takes the last week (`newest_days`): on the rows
    under test it would sort users by their labels.

    Args:
        users: The user of each impression.
        requests: The request of each impression.
        labels: 0 or 1.
        kinds: Leaf category of each shown item, or its similarity level.
        trigger_kinds: The same of the trigger; for levels, the highest level.
    """
    names, codes = np.unique(users, return_inverse=True)
    clicked = check_labels(labels)
    frame = pl.DataFrame(
        {
            "user": codes[clicked],
            "request": requests[clicked],
            "kind": kinds[clicked],
            "differs": kinds[clicked] != trigger_kinds[clicked],
        }
    )
    per_request = frame.group_by("user", "request").agg(
        pl.col("kind").filter(pl.col("differs")).n_unique().alias("kinds")
    )
    per_user = per_request.group_by("user").agg(pl.col("kinds").mean())
    values = np.full(len(names), np.nan)
    values[per_user["user"].to_numpy()] = per_user["kinds"].to_numpy()
    return names, values


def newest_days(
    time_s: Int[ndarray, " N"],
    users: Int[ndarray, " N"] | None = None,
    days: int = DIVERSITY_DAYS,
) -> Bool[ndarray, " N"]:
    """Return which times are less than ``days`` days before the newest of them.

    All of them are where they span less.

    Args:
        time_s: UTC seconds.
        users: Codes from 0; if given, each user's times are held against that user's newest.
        days: Length of the span, of 24 hours each.
    """
    if not len(time_s):
        return np.zeros(0, dtype=bool)
    codes = np.zeros(len(time_s), dtype=np.int64) if users is None else users
    newest = np.full(int(codes.max()) + 1, time_s.min())
    np.maximum.at(newest, codes, time_s)
    return time_s > newest[codes] - days * _DAY_S


def interest_volatility(
    kinds: Shaped[ndarray, " V"], offsets: Int[ndarray, " offsets"]
) -> Float[ndarray, " N"]:
    """Return how often each history changes its kind from one event to the next, in [0, 1].

    0 is a user who stays with one kind, 1 one who never takes the same twice running; nan for
    histories of fewer than two events.

    Args:
        kinds: Category of every event of every history, oldest first, one history after the other.
        offsets: History i is ``kinds[offsets[i] : offsets[i + 1]]``.
    """
    changes = np.concatenate([[0], np.cumsum(kinds[1:] != kinds[:-1])])
    first, last = offsets[:-1], offsets[1:] - 1
    steps = last - first
    value = np.full(len(first), np.nan)
    some = steps > 0
    value[some] = (changes[last[some]] - changes[first[some]]) / steps[some]
    return value


def look_up(
    names: Shaped[ndarray, " U"], values: Num[ndarray, " U"], users: Shaped[ndarray, " N"]
) -> Float[ndarray, " N"]:
    """Return each example's user's value; ``names`` ascend, and users not among them have nan."""
    if not len(names):
        return np.full(len(users), np.nan)
    place = np.minimum(np.searchsorted(names, users), len(names) - 1)
    return np.where(names[place] == users, values[place], np.nan)


def bands(
    values: Real[ndarray, " N"], starts: Sequence[int | float]
) -> tuple[Int[ndarray, " N"], list[str]]:
    """Return the band of each value and the bands' names; nan and values below the first are -1.

    Band i holds [starts[i], starts[i + 1]), the last everything from its start on.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = np.where(np.isnan(numbers), -np.inf, numbers)
    codes = np.searchsorted(np.asarray(starts, dtype=np.float64), known, side="right") - 1
    whole = bool((np.floor(known) == known).all())
    return codes, [_band_name(starts, i, whole=whole) for i in range(len(starts))]


def equal_groups(values: Real[ndarray, " N"], names: Sequence[str]) -> Int[ndarray, " N"]:
    """Return which of ``len(names)`` groups of equal size each value falls in; nan is -1.

    Equal values share a group, so that groups can end up unequal or empty.
    """
    known = ~np.isnan(values)
    codes = np.full(len(values), -1)
    if known.any():
        edges = np.quantile(values[known], np.arange(1, len(names)) / len(names))
        codes[known] = np.searchsorted(edges, values[known], side="left")
    return codes


def group_table(
    labels: Shaped[ndarray, " N"],
    probability: Float[ndarray, " N"],
    users: Shaped[ndarray, " N"],
    codes: Int[ndarray, " codes"],
    names: Sequence[str],
    *,
    base_probability: Float[ndarray, " N"] | None = None,
    repeats: int = 0,
    seed: int = 0,
) -> pl.DataFrame:
    """Return a row of metrics for each group that has examples.

    Args:
        labels: 0 or 1.
        probability: Predicted click probability.
        users: The user of each example; GAUC is over the users inside the group.
        codes: Index into ``names`` of each example; -1 is left out.
        names: The groups.
        base_probability: A second model's, for the difference in GAUC.
        repeats: Resamples of the intervals; 0 leaves them out.
        seed: Seeds the resampling.

    Returns:
        Columns group, impressions, users, click_rate, auc, gauc, gauc_low, gauc_high, log_loss and
        with a base model base_auc, base_gauc, difference, difference_low, difference_high (GAUC).
    """
    if codes.shape != labels.shape:
        raise DataError(f"{len(codes)} group codes for {len(labels)} examples.")
    rows = []
    for code, name in enumerate(names):
        chosen = codes == code
        if chosen.any():
            parts = (labels[chosen], probability[chosen], users[chosen])
            base = None if base_probability is None else base_probability[chosen]
            rows.append({"group": name, **_row(*parts, base, repeats, seed)})
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(
    labels: Shaped[ndarray, " N"],
    probability: Float[ndarray, " N"],
    users: Shaped[ndarray, " N"],
    base: Float[ndarray, " N"] | None,
    *sampling: int,
) -> dict[str, float | int]:
    interval = user_bootstrap("gauc", labels, probability, users, *sampling)
    row: dict[str, float | int] = {
        "impressions": len(labels),
        "users": len(np.unique(users)),
        "click_rate": float(check_labels(labels).mean()),
        "auc": auc(labels, probability),
        "gauc": interval.value,
        "gauc_low": interval.low,
        "gauc_high": interval.high,
        "log_loss": log_loss(labels, probability),
    }
    if base is not None:
        pair = paired_bootstrap(labels, probability, base, users, *sampling, metrics=("gauc",))[
            "gauc"
        ]
        row |= {
            "base_auc": auc(labels, base),
            "base_gauc": gauc(labels, base, users).value,
            "difference": pair.value,
            "difference_low": pair.low,
            "difference_high": pair.high,
        }
    return row


def _band_name(starts: Sequence[int | float], i: int, *, whole: bool) -> str:
    first = starts[i]
    if i + 1 == len(starts):
        return f"{first:g} or more"
    following = starts[i + 1]
    if not whole:
        return f"{first:g} to under {following:g}"
    return f"{first:g}" if following - first == 1 else f"{first:g} to {following - 1:g}"
