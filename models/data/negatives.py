"""Negatives drawn for logs that hold positives only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int, Int32, Int64
from pydantic import PositiveInt

from models.data.codes import FIRST
from models.errors import SchemaError
from models.settings import Settings

Kind = Literal["uniform", "popularity", "same_category"]


class NegativesConfig(Settings):
    """How negatives are drawn beside each positive impression.

    Attributes:
        kind: ``uniform`` over the catalogue (the protocol of DIN and TIN), ``popularity``, by the
            number of train positives, or ``same_category``, uniform over the items that share the
            positive's ``category``.
        per_positive: Negatives per positive.
        category: The categorical item column ``same_category`` reads.
    """

    kind: Kind = "uniform"
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
    category has no other item left for the user, or none that is left was ever popular, the
    negative is drawn uniformly from the whole catalogue.

    Nothing is drawn twice: each user's owned items are left out of the draw, so the time does not
    depend on how much of the catalogue, or of the clicks, they are.

    Args:
        config: How to draw.
        pool: What to draw from.
        positives: User index and item code of each positive to draw for.
        owned: User index and item code of every positive event of these users.
        rng: Source of randomness.

    Raises:
        SchemaError: a user has positives with every item there is.
    """
    users, items = (np.repeat(column, config.per_positive).astype(np.int64) for column in positives)
    order = _by_user(users)  # neighbours in the search below then lie near in memory
    taken = np.unique(owned[0].astype(np.int64) * (pool.num_items + FIRST) + owned[1])
    drawn = np.empty(len(users), dtype=np.int32)
    drawn[order] = _draw(config.kind, pool, users[order], items[order], taken, rng)
    return drawn.reshape(-1, config.per_positive)


def recorded_sampling(
    config: NegativesConfig | None, facts: Mapping[str, object]
) -> dict[str, float]:
    """Return what a correction of probabilities must know of how the negatives were chosen.

    ``negatives_per_positive``, where they were drawn; else ``negative_rate``, the share of its
    negatives that the log holds, where its facts say so; else nothing.
    """
    if config is not None:
        return {"negatives_per_positive": config.per_positive}
    rate = facts.get("negative_rate")
    return {"negative_rate": float(rate)} if isinstance(rate, int | float) else {}


@dataclass(frozen=True)
class _Lottery:
    """Every item holds as many tickets as it has weight, in a row; a drawn ticket is an item.

    Attributes:
        items: Item codes in the order of their tickets.
        ends: One past the last ticket of each of these items.
        place: Where each code stands in ``items``.
    """

    items: Int64[np.ndarray, " I"]
    ends: Int64[np.ndarray, " I"]
    place: Int64[np.ndarray, " C"]

    @property
    def tickets(self) -> int:
        return int(self.ends[-1])

    def begins(self, codes: Int[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
        place = self.place[codes]
        return np.where(place > 0, self.ends[np.maximum(place - 1, 0)], 0)

    def item_of(self, tickets: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
        if self.tickets == len(self.items):
            return self.items[tickets]
        return self.items[np.searchsorted(self.ends, tickets, side="right")]


@dataclass(frozen=True)
class _Owned:
    """The tickets each user may not draw: a run of them an item, by user and first ticket.

    Attributes:
        stride: More than there are tickets; ``user * stride + ticket`` orders all runs.
        begins: That key of the first ticket of each run.
        free: The same, less the tickets of the user's earlier runs: the free ones before it.
        until: Tickets of all runs before each one, of all users; one more entry at the end.
    """

    stride: int
    begins: Int64[np.ndarray, " R"]
    free: Int64[np.ndarray, " R"]
    until: Int64[np.ndarray, " R1"]

    def before(
        self, users: Int64[np.ndarray, " N"], tickets: Int64[np.ndarray, " N"]
    ) -> Int64[np.ndarray, " N"]:
        """Return how many tickets below the given ones each user owns."""
        first = self.until[np.searchsorted(self.begins, users * self.stride)]
        return self.until[np.searchsorted(self.begins, users * self.stride + tickets)] - first

    def nth_free(
        self, users: Int64[np.ndarray, " N"], number: Int64[np.ndarray, " N"]
    ) -> Int64[np.ndarray, " N"]:
        """Return the ticket that has ``number`` free ones before it."""
        first = self.until[np.searchsorted(self.begins, users * self.stride)]
        runs = np.searchsorted(self.free, users * self.stride + number, side="right")
        return number + self.until[runs] - first


def _draw(
    kind: Kind,
    pool: Pool,
    users: Int64[np.ndarray, " N"],
    items: Int64[np.ndarray, " N"],
    taken: Int64[np.ndarray, " T"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, " N"]:
    lottery = _lottery(kind, pool)
    owned = _owned_tickets(lottery, pool, taken)
    low, high = _ranges(kind, pool, lottery, items)
    skipped = low - owned.before(users, low)  # free tickets below the range
    left = high - owned.before(users, high) - skipped
    none = left <= 0
    number = skipped + (rng.random(len(users)) * np.maximum(left, 1)).astype(np.int64)
    drawn = lottery.item_of(np.where(none, 0, owned.nth_free(users, number)))
    if none.any():
        if kind == "uniform":
            raise _owns_everything(pool)
        drawn[none] = _draw("uniform", pool, users[none], items[none], taken, rng)
    return drawn


def _lottery(kind: Kind, pool: Pool) -> _Lottery:
    codes = np.arange(FIRST, FIRST + pool.num_items, dtype=np.int64)
    weights = np.ones(pool.num_items, dtype=np.int64)
    if kind == "popularity":
        weights = pool.popularity[FIRST:].astype(np.int64)
    if kind == "same_category" and pool.category is not None:
        codes = codes[np.argsort(pool.category[FIRST:], kind="stable")]
    place = np.zeros(FIRST + pool.num_items, dtype=np.int64)
    place[codes] = np.arange(pool.num_items)
    return _Lottery(codes, np.cumsum(weights), place)


def _owned_tickets(lottery: _Lottery, pool: Pool, taken: Int64[np.ndarray, " T"]) -> _Owned:
    users, codes = np.divmod(taken, pool.num_items + FIRST)
    stride = lottery.tickets + 1
    begins = lottery.begins(codes)
    widths = lottery.ends[lottery.place[codes]] - begins
    order = np.lexsort((begins, users)) if not _is_sorted(codes, lottery) else slice(None)
    users, begins, widths = users[order], begins[order], widths[order]
    until = np.r_[0, np.cumsum(widths)]
    new_user = np.diff(users, prepend=-1) != 0
    first = until[:-1][new_user][np.cumsum(new_user) - 1]
    keys = users * stride + begins
    return _Owned(stride, keys, keys - (until[:-1] - first), until)


def _is_sorted(codes: Int64[np.ndarray, " T"], lottery: _Lottery) -> bool:
    """Tell whether the tickets of items in order of code are in order too."""
    return not len(codes) or bool((np.diff(lottery.items) > 0).all())


def _ranges(
    kind: Kind, pool: Pool, lottery: _Lottery, items: Int64[np.ndarray, " N"]
) -> tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " N"]]:
    """Return the first ticket that each row may draw, and one past the last."""
    if kind == "same_category" and pool.category is not None:
        ends = np.cumsum(np.bincount(pool.category[FIRST:]))
        category = pool.category[items].astype(np.int64)
        return np.where(category > 0, ends[np.maximum(category - 1, 0)], 0), ends[category]
    return np.zeros(len(items), np.int64), np.full(len(items), lottery.tickets)


def _by_user(users: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    keys = users * max(len(users), 1) + np.arange(len(users))
    keys.sort()
    return keys % max(len(users), 1)


def _owns_everything(pool: Pool) -> SchemaError:
    return SchemaError(
        f"A user has positive events with all {pool.num_items} items: no negative is left.",
        where="table impressions",
        allowed="users with at least one item they have no positive event with",
        do="Remove such users, or set examples.negatives to null.",
    )
