"""What changes a little every day: which categories are in fashion, and which items are new."""

import numpy as np

from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import Shop


def fashion(
    shop: Shop, settings: SimulatorSettings, generator: np.random.Generator
) -> np.ndarray | None:
    """Return ``[days, categories]``, how much each day's fashion moves log click odds, or ``None``.

    Every category walks by itself around 0: its standard deviation is the same on all days, and
    after each half-life it remembers half of what it was (an Ornstein–Uhlenbeck process by days).
    """
    drift = settings.drift
    if not drift.fashion:
        return None
    kept = 0.5 ** (1 / drift.fashion_half_life_days)
    fresh = np.sqrt(1 - kept**2)
    steps = generator.normal(0, 1, (settings.days, int(shop.category.max()) + 1))
    walk = steps.copy()
    for day in range(1, settings.days):
        walk[day] = kept * walk[day - 1] + fresh * steps[day]
    return drift.fashion * walk


def launch_days(
    shop: Shop, settings: SimulatorSettings, generator: np.random.Generator
) -> np.ndarray:
    """Return the day each item is first sold; 0 for those there from the start.

    The first item of every category and brand is there from the start, so that none is empty.
    """
    order = generator.permutation(shop.size)
    first_day = generator.integers(1, max(settings.days, 2), shop.size)
    days = np.zeros(shop.size, dtype=int)
    late = order[: round(settings.drift.new_items_share * shop.size)]
    days[late] = first_day[late]
    _, first_of_cell = np.unique(shop.cell, return_index=True)
    days[first_of_cell] = 0
    return days
