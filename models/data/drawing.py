"""Draws the negatives of a whole log, a block of users at a time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int8, Int32, Int64

from models.data.codes import FIRST
from models.data.draft import Draft
from models.data.negatives import NegativesConfig, Pool, draw_negatives
from models.errors import ConfigError

USERS_OF_A_BLOCK = 4096
"""Users that share a stream of the seed: whose they are does not depend on how a log is read."""


def with_negatives(draft: Draft, settings: NegativesConfig, events: Path, seed: int) -> Draft:
    """Return the draft with negatives for the rows that have none yet.

    Raises:
        ConfigError: the log has negatives of its own, or no such category.
        SchemaError: a user has positives with every item there is.
    """
    rows = draft.rows
    if logged := int((rows.label == 0).sum()):
        raise ConfigError(
            f"The log has {logged} negatives of its own; none are to be drawn.",
            where="examples.negatives",
            allowed="null, for a log with negatives",
            do="Remove examples.negatives, or map only the positives.",
        )
    num_items = len(draft.item_ids)
    train = rows.target_item[rows.split == 0]
    pool = Pool(
        num_items, np.bincount(train, minlength=num_items + FIRST), _category(draft, settings)
    )
    stream = int((draft.drawn[:, 0] > 0).sum())  # later draws must not repeat earlier ones' numbers
    drawn = draft.drawn.copy()
    mapped = np.load(events, mmap_mode="r", allow_pickle=False)
    for block, own in _blocks_of_users(rows.user, len(draft.user_ids)):
        wanted = own[drawn[own, 0] == 0]
        if len(wanted):
            positives = (rows.user[wanted], rows.target_item[wanted])
            owned = _owned(draft, own, mapped)
            rng = np.random.default_rng([seed, block, stream])
            drawn[wanted] = draw_negatives(settings, pool, positives, owned, rng)
    return replace(draft, drawn=drawn)


def grown(
    draft: Draft,
) -> tuple[Int64[np.ndarray, " M"] | None, Int32[np.ndarray, " M"], Int8[np.ndarray, " M"]]:
    """Return row, target item and label of every example: each positive before its negatives.

    The rows are None where no negatives are drawn, and every row is one example.
    """
    group = draft.drawn.shape[1] + 1
    if group == 1:
        return None, draft.rows.target_item, draft.rows.label
    row = np.repeat(np.arange(draft.rows.size), group)
    targets = np.concatenate([draft.rows.target_item[:, None], draft.drawn], axis=1)
    labels = np.zeros(targets.shape, dtype=np.int8)
    labels[:, 0] = draft.rows.label
    return row, targets.ravel(), labels.ravel()


def _blocks_of_users(
    user: Int32[np.ndarray, " N"], num_users: int
) -> Iterator[tuple[int, Int64[np.ndarray, " R"]]]:
    """Yield the number of each block of users, and its rows: by user, then in order of time."""
    order = np.argsort(user, kind="stable")
    edges = np.arange(0, num_users + USERS_OF_A_BLOCK, USERS_OF_A_BLOCK)
    for block, (start, end) in enumerate(pairwise(np.searchsorted(user, edges, sorter=order))):
        yield block, order[start:end]


def _owned(
    draft: Draft, rows: Int64[np.ndarray, " R"], events: Int32[np.ndarray, " E"]
) -> tuple[Int64[np.ndarray, " O"], Int32[np.ndarray, " O"]]:
    """Return user and item of all positives of some rows' users: of the rows, and all events."""
    row_users, row_items = draft.rows.user[rows], draft.rows.target_item[rows]
    users = np.unique(row_users)
    starts, ends = (bound[users] for bound in draft.timelines)
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    places = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    owners = np.repeat(users.astype(np.int64), lengths)
    return np.concatenate([owners, row_users]), np.concatenate([events[places], row_items])


def _category(draft: Draft, settings: NegativesConfig) -> Int32[np.ndarray, " I"] | None:
    """Return the category of each item by code, 0 where it has none."""
    if settings.kind != "same_category":
        return None
    names = draft.sides.items.names
    if settings.category not in names:
        raise ConfigError(
            f"{settings.category!r} is no categorical column of the items.",
            where="examples.negatives.category",
            allowed=", ".join(names) or "none: the items have no such column",
            do="Name one of these, or use kind 'uniform'.",
        )
    codes = draft.sides.items.codes[:, names.index(settings.category)]
    return np.concatenate([np.zeros(FIRST, dtype=np.int32), codes])
