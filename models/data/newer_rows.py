"""A store whose train split holds only what a warm start has to learn."""

import numpy as np

from models.data.store import SPLITS, ExampleStore
from models.errors import SplitError

NO_SPLIT = len(SPLITS)
_TRAIN = 0


def keep_newer(store: ExampleStore, since_s: int, replay_share: float, seed: int) -> ExampleStore:
    """Leave in the train split the rows after ``since_s`` and a drawn share of the older ones.

    Whole requests are kept or left out. The rows left out stay in the store, in no split.

    Args:
        store: The store, just opened; it is changed, its files are not.
        since_s: UTC seconds of the newest train row that the older model has seen.
        replay_share: Share of the older requests to learn from again, against forgetting.
        seed: Of the draw.

    Raises:
        SplitError: no train row is newer.
    """
    split = np.array(store.split)
    train = split == _TRAIN
    newer = np.zeros(store.num_requests, dtype=bool)
    newer[store.request[train & (store.time > since_s)]] = True
    if not newer.any():
        raise SplitError(
            "No train row is newer than what the older model has seen.",
            where="the newest window, train split",
            allowed="at least one",
            do="Train in full, or wait for the next window.",
        )
    drawn = np.random.default_rng(seed).random(store.num_requests) < replay_share
    split[train & ~(newer | drawn)[store.request]] = NO_SPLIT
    store.split = split
    return store


def train_span(store: ExampleStore) -> tuple[int, int]:
    """Return the UTC seconds of the oldest and of the newest train row."""
    rows = store.rows("train")
    return int(store.time[rows[0]]), int(store.time[rows[-1]])
