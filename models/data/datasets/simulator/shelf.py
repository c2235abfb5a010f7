"""Drawing items from the shop: by a user's taste, or at a similarity tier around another item."""

from dataclasses import dataclass

import numpy as np

from models.data.datasets.simulator.people import People
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import Shop

_QUALITY_CHOICE = 2.0  # log odds of a start at an item, a standard deviation of liking its quality


@dataclass(frozen=True, slots=True)
class Ranges:
    """Nested ranges of positions around every item, from everything down to the item itself.

    Attributes:
        start: ``[6, N]``: everything, department pair, department, category, cell, item.
        stop: ``[6, N]``, exclusive. Tier k is range k without range k + 1.
    """

    start: np.ndarray
    stop: np.ndarray


def build_ranges(shop: Shop) -> Ranges:
    """Return the ranges around every item of the shop."""
    everything = np.zeros(shop.size, dtype=int)
    keys = (everything, shop.department // 2, shop.department, shop.category, shop.cell)
    keys = (*keys, np.arange(shop.size))
    return Ranges(
        start=np.stack([np.searchsorted(key, key, "left") for key in keys]),
        stop=np.stack([np.searchsorted(key, key, "right") for key in keys]),
    )


def tier_between(ranges: Ranges, anchor: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return the structural similarity tier (0 … 4) of ``item`` to ``anchor``."""
    inside = (ranges.start[1:5, anchor] <= item) & (item < ranges.stop[1:5, anchor])
    return inside.sum(axis=0)


def demand_on(
    shop: Shop, settings: SimulatorSettings, day: int, launched: np.ndarray | None = None
) -> np.ndarray:
    """Return how much each item is shown and sought on ``day``; 0 before an item is launched.

    Args:
        shop: The items.
        settings: Their drifts.
        day: The day, from 0.
        launched: The day each item is first sold; ``None`` for all from the start.
    """
    drift = settings.drift
    demand = shop.popularity
    if drift.popularity_day is not None and day >= drift.popularity_day:
        demand = np.empty(shop.size)
        order = np.argsort(shop.popularity)
        demand[order] = shop.popularity[order[::-1]]
    if drift.categories_day is not None and day < drift.categories_day:
        demand = np.where(launched_later(shop, settings), 0.0, demand)
    return demand if launched is None else np.where(launched > day, 0.0, demand)


def launched_later(shop: Shop, settings: SimulatorSettings) -> np.ndarray:
    """Return True for the items of the categories that open on ``drift.categories_day``.

    These are the last categories of the first departments, then the last but one, and so on.
    """
    number = np.arange(settings.drift.new_categories)
    rank = settings.categories - 1 - number // settings.departments
    late = number % settings.departments * settings.categories + rank
    return np.isin(shop.category, late)


class Shelf:
    """The shop on days of equal demand: draws positions in proportion to demand."""

    def __init__(self, shop: Shop, ranges: Ranges, demand: np.ndarray) -> None:
        self.shop, self.ranges = shop, ranges
        self.mass = np.concatenate([[0.0], np.cumsum(demand)])
        self._qualities = np.arange(shop.quality.max() + 1)
        place = shop.cell * len(self._qualities) + shop.quality
        self._by_quality = np.argsort(place, kind="stable")
        self._quality_mass = np.concatenate([[0.0], np.cumsum(demand[self._by_quality])])
        places = np.arange((shop.cell[-1] + 1) * len(self._qualities) + 1)
        self._quality_start = np.searchsorted(place[self._by_quality], places)

    def near(
        self, anchor: np.ndarray, tier: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return an item at ``tier`` around each ``anchor``; unrelated where the tier is empty."""
        room = self._mass_of(tier, anchor) - self._mass_of(tier + 1, anchor)
        tier = np.where(room > 1e-9, tier, 0)
        outer, inner = self._mass_of(tier, anchor), self._mass_of(tier + 1, anchor)
        start = self.mass[self.ranges.start[tier, anchor]]
        hole = self.mass[self.ranges.start[tier + 1, anchor]]
        point = start + generator.random(len(anchor)) * (outer - inner)
        return self._at(np.where(point < hole, point, point + inner))

    def wanted(
        self,
        people: People,
        user: np.ndarray,
        settings: SimulatorSettings,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Return an item each user would start from: by department, demand, then brand.

        Or, where users are at home somewhere, in that share of all starts by home category, then
        brand.
        """
        department = choose(people.departments[user], generator)
        first = np.searchsorted(self.shop.department, np.arange(settings.departments + 1))
        low, high = self.mass[first[department]], self.mass[first[department + 1]]
        category = self.shop.category[self._at(low + generator.random(len(user)) * (high - low))]
        if settings.home_categories:
            category = self._at_home(people, user, category, settings, generator)
            department = category // settings.categories
        brands = department[:, None] * settings.brands + np.arange(settings.brands)
        liking = np.exp(people.brands[user[:, None], brands])
        brand = choose(liking / liking.sum(axis=1, keepdims=True), generator)
        cell = category * settings.brands + brand
        low = self.mass[np.searchsorted(self.shop.cell, cell, "left")]
        high = self.mass[np.searchsorted(self.shop.cell, cell, "right")]
        return self._at(low + generator.random(len(user)) * (high - low))

    def liked(
        self, people: People, user: np.ndarray, item: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return ``item``, or at home one of its category and brand of a quality the user likes."""
        row, liking = people.quality_liking(user, self.shop.category[item])
        if not len(row):
            return item
        cell = self.shop.cell[item[row]][:, None]
        place = cell * len(self._qualities) + self._qualities
        low = self._quality_mass[self._quality_start[place]]
        room = self._quality_mass[self._quality_start[place + 1]] - low
        weight = room * np.exp(_QUALITY_CHOICE * liking[:, self._qualities])
        quality = choose(weight / weight.sum(axis=1, keepdims=True), generator)
        chosen = np.arange(len(row)), quality
        point = low[chosen] + generator.random(len(row)) * room[chosen]
        found = np.searchsorted(self._quality_mass, point, "right") - 1
        item = item.copy()
        item[row] = self._by_quality[np.clip(found, 0, self.shop.size - 1)]
        return item

    def _at_home(
        self,
        people: People,
        user: np.ndarray,
        category: np.ndarray,
        settings: SimulatorSettings,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Return ``category``, or for ``home_share`` of the users one of their own that is sold."""
        number = generator.integers(0, settings.home_categories, len(user))
        home = people.home[user, number]
        start, stop = np.searchsorted(self.shop.category, [home, home + 1])
        chosen = generator.random(len(user)) < settings.home_share
        return np.where(chosen & (self.mass[stop] > self.mass[start]), home, category)

    def _mass_of(self, level: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        stop, start = self.ranges.stop[level, anchor], self.ranges.start[level, anchor]
        return self.mass[stop] - self.mass[start]

    def _at(self, point: np.ndarray) -> np.ndarray:
        """Return the position whose stretch of the cumulated demand holds ``point``."""
        found = np.searchsorted(self.mass, point, "right") - 1
        return np.clip(found, 0, self.shop.size - 1)


def choose(share: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return one column index a row, drawn by the row's shares."""
    ceiling = np.cumsum(share, axis=1)[:, :-1]
    return (generator.random(len(share))[:, None] > ceiling).sum(axis=1)


def build_shelves(
    shop: Shop, ranges: Ranges, settings: SimulatorSettings, launched: np.ndarray
) -> list[tuple[int, Shelf]]:
    """Return (first day, shelf) for every stretch of days of equal demand, in order of time."""
    drift = settings.drift
    days = {0} | {d for d in (drift.categories_day, drift.popularity_day) if d is not None}
    days |= set(launched.tolist())
    demands = ((day, demand_on(shop, settings, day, launched)) for day in sorted(days))
    return [(day, Shelf(shop, ranges, demand)) for day, demand in demands]
