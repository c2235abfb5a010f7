"""Negatives drawn for logs that hold positives only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64
from pydantic import PositiveInt

from models.data.codes import FIRST
from models.errors import SchemaError
from models.settings import Settings

_ROUNDS = 20


class NegativesConfig(Settings):
    """How negatives are drawn beside each positive impression.

    Attributes:
        kind: ``uniform`` over the catalogue (the protocol of DIN and TIN), ``popularity``, by the
            number of train positives, or ``same_category``, uniform over the items that share the
            positive's ``category``.
        per_positive: Negatives per positive.
        category: The categorical item column ``same_category`` reads.
    """

    kind: Literal["uniform", "popularity", "same_category"] = "uniform"
    per_positive: PositiveInt = 1
    category: str | None = None


@dataclass(frozen=True)
class Pool:
    """What negatives are drawn from.

    Attributes:
        num_items: Items of the catalogue; codes 2 … ``num_items + 1``.
        popularity: Train positives of each item, by code.
        category: Category code of each item, by code; 0 where it has none.
    """

    num_items: int
    popularity: Int[np.ndarray, " I"]
    category: Int[np.ndarray, " I"] | None = None


def draw_negatives(
    config: NegativesConfig,
    pool: Pool,
    positives: tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]],
    owned: tuple[Int[np.ndarray, " O"], Int[np.ndarray, " O"]],
    rng: np.random.Generator,
) -> Int32[np.ndarray, "P k"]:
    """Return ``config.per_positive`` item codes for each positive.

    An item the user has a positive event with, anywhere in the log, is never drawn. Where a
    category has no other item left for the user, the negative is drawn from the whole catalogue.

    Args:
        config: How to draw.
        pool: What to draw from.
        positives: User index and item code of each positive to draw for.
        owned: User index and item code of every positive event of the log.
        rng: Source of randomness.

    Raises:
        SchemaError: a user has positives with every item there is.
    """
    users, items = (np.repeat(column, config.per_positive).astype(np.int64) for column in positives)
    stride = pool.num_items + FIRST
    taken = np.unique(owned[0].astype(np.int64) * stride + owned[1])
    draw = _drawer(config.kind, pool, rng)
    drawn = np.zeros(len(users), dtype=np.int64)
    open_rows = np.arange(len(users))
    for _ in range(_ROUNDS):
        drawn[open_rows] = draw(items[open_rows])
        keys = users[open_rows] * stride + drawn[open_rows]
        open_rows = open_rows[_contains(taken, keys)]
        if not len(open_rows):
            break
    for row in open_rows:
        drawn[row] = _draw_exactly(
            config.kind, pool, (int(users[row]), int(items[row])), taken, rng
        )
    return drawn.astype(np.int32).reshape(-1, config.per_positive)


def _drawer(
    kind: str, pool: Pool, rng: np.random.Generator
) -> Callable[[Int64[np.ndarray, " R"]], Int64[np.ndarray, " R"]]:
    """Return the function that draws one item code beside each given positive."""
    if kind == "popularity":
        cumulated = np.cumsum(pool.popularity[FIRST:].astype(np.float64))
        return lambda items: (
            FIRST + np.searchsorted(cumulated, rng.random(len(items)) * cumulated[-1], side="right")
        )
    if kind == "same_category" and pool.category is not None:
        category = pool.category[FIRST:]
        members = np.argsort(category, kind="stable")
        sizes = np.bincount(category)
        begin = np.cumsum(sizes) - sizes
        return lambda items: (
            FIRST
            + members[
                begin[category[items - FIRST]]
                + (rng.random(len(items)) * sizes[category[items - FIRST]]).astype(np.int64)
            ]
        )
    return lambda items: rng.integers(FIRST, FIRST + pool.num_items, len(items))


def _draw_exactly(
    kind: str,
    pool: Pool,
    positive: tuple[int, int],
    taken: Int64[np.ndarray, " T"],
    rng: np.random.Generator,
) -> int:
    """Draw from the listed allowed items: for the few users that own almost all there are."""
    user, item = positive
    codes = np.arange(FIRST, FIRST + pool.num_items)
    allowed = codes[~_contains(taken, user * np.int64(pool.num_items + FIRST) + codes)]
    if not len(allowed):
        raise SchemaError(
            f"A user has positive events with all {pool.num_items} items: no negative is left.",
            where="table impressions",
            allowed="users with at least one item they have no positive event with",
            do="Remove such users, or set examples.negatives to null.",
        )
    if kind == "same_category" and pool.category is not None:
        alike = allowed[pool.category[allowed] == pool.category[item]]
        allowed = alike if len(alike) else allowed
    weights = pool.popularity[allowed].astype(np.float64) if kind == "popularity" else None
    if weights is not None and weights.sum() > 0:
        return int(rng.choice(allowed, p=weights / weights.sum()))
    return int(rng.choice(allowed))


def _contains(
    taken: Int64[np.ndarray, " T"], keys: Int64[np.ndarray, " R"]
) -> Bool[np.ndarray, " R"]:
    if not len(taken):
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
    return taken[place] == keys
