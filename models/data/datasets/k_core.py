"""The k-core of a log: users and items that all have k events or more with one another."""

import numpy as np
import polars as pl
from jaxtyping import Bool, Int


def k_core(
    users: Int[np.ndarray, " N"], items: Int[np.ndarray, " N"], k: int
) -> Bool[np.ndarray, " N"]:
    """Return which events remain when users and items of fewer than ``k`` are left out.

    Leaving out a user takes events from items and the other way round, so it is repeated until
    nothing changes: what remains is the largest log in which everybody has ``k`` events ("5-core",
    He and McAuley, WWW 2016). An event that is there twice counts twice.

    Args:
        users: User of each event: small non-negative integers.
        items: Item of each event, likewise.
        k: Events that every user and item must have; 1 keeps all.
    """
    kept = np.arange(len(users))
    while True:
        own, theirs = users[kept], items[kept]
        enough = np.bincount(own)[own] >= k if len(kept) else np.zeros(0, dtype=bool)
        enough &= np.bincount(theirs)[theirs] >= k if len(kept) else enough
        if enough.all():
            break
        kept = kept[enough]
    mask = np.zeros(len(users), dtype=bool)
    mask[kept] = True
    return mask


def k_core_of(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """Return the rows of the k-core of a frame with the columns ``user_id`` and ``item_id``."""
    if k <= 1 or frame.is_empty():
        return frame
    users, items = (
        (frame[column].rank("dense").to_numpy() - 1).astype(np.int64)
        for column in ("user_id", "item_id")
    )
    return frame.filter(pl.Series(k_core(users, items, k)))
