"""What the simulator knows and a shop does not: every user's population and intent."""

import numpy as np
import polars as pl

from models.data.datasets.simulator.people import FIRST_USER_ID, NUM_TIERS, POPULATIONS, People
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.world import Simulation

INTENT_COLUMNS: tuple[str, ...] = tuple(f"intent_{tier}" for tier in range(NUM_TIERS))


def true_intent(settings: SimulatorSettings) -> pl.DataFrame:
    """Return ``user_id``, ``from_day``, ``population``, ``intent_0`` … ``intent_4``.

    ``intent_k`` is P(a clicked target stands at similarity tier k to its trigger), from unrelated
    (0) to same category and brand (4). A user whose intent drifts has a second row, whose
    ``from_day`` is the day of the drift; all others have one row from day 0.
    """
    return truth_table(Simulation(settings).people, settings)


def truth_table(people: People, settings: SimulatorSettings) -> pl.DataFrame:
    """Return the true intents of ``people``, see `true_intent`."""
    before = _rows(people, np.arange(people.size), 0, people.broad, people.intent)
    if settings.drift.intent_day is None:
        return before
    shifted = np.flatnonzero(people.shifted)
    later = people.later_intent
    after = _rows(people, shifted, settings.drift.intent_day, ~people.broad, later)
    return pl.concat([before, after]).sort("user_id", "from_day")


def _rows(
    people: People, users: np.ndarray, day: int, broad: np.ndarray, intent: np.ndarray
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": users + FIRST_USER_ID,
            "from_day": np.full(len(users), day),
            "population": np.array(POPULATIONS)[broad[users].astype(int)],
            **{name: intent[users, tier] for tier, name in enumerate(INTENT_COLUMNS)},
        }
    )
