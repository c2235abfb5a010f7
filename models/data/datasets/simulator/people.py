"""The users of the simulated shop: two populations, their true intents, tastes and profiles."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from models.data.datasets.simulator.lexicon import AGE_BANDS, CITIES, GENDERS
from models.data.datasets.simulator.settings import SimulatorSettings

FIRST_USER_ID = 1
TIERS = ("unrelated", "related department", "same department", "same category", "same brand")
NUM_TIERS = len(TIERS)
POPULATIONS = ("specific", "broad")
# P(tier of a clicked target | a click): the populations of DAIAN 5.2 (4), Figure 5 a and b.
POPULATION_INTENT = np.array([[0.03, 0.04, 0.09, 0.26, 0.58], [0.48, 0.27, 0.15, 0.06, 0.04]])
_DEPARTMENT_CONCENTRATION = (0.25, 1.0)  # specific-intent users keep to few departments
_INTENT_FLOOR = 0.01  # no tier is ever impossible


@dataclass(frozen=True, slots=True)
class People:
    """Arrays over users 0 … U - 1 (user id minus `FIRST_USER_ID`).

    Attributes:
        broad: True for broad-intent users.
        intent: ``[U, 5]``, P(tier | click), each row sums to 1.
        shifted: True for users whose intent changes on ``drift.intent_day``.
        later_intent: ``[U, 5]``, the intent from that day on; equals ``intent`` elsewhere.
        home: ``[U, home_categories]``, the categories a user is at home in, if the shop has such.
        roaming: ``[U, 5]``, the intent outside of them; equals ``intent`` where there are none.
        qualities: ``[U, home_categories, qualities]``, standard normal liking in each of them; no
            categories where ``quality_taste`` is 0.
        departments: ``[U, departments]``, where a user starts looking; rows sum to 1.
        brands: ``[U, brands of the shop]``, standard normal liking.
        price: Standard normal; positive for users who like the expensive end of a category.
        activity: Relative number of requests, mean 1.
        age, city, gender: Indices into the lexicon's lists.
    """

    broad: np.ndarray
    intent: np.ndarray
    shifted: np.ndarray
    later_intent: np.ndarray
    home: np.ndarray
    roaming: np.ndarray
    qualities: np.ndarray
    departments: np.ndarray
    brands: np.ndarray
    price: np.ndarray
    activity: np.ndarray
    age: np.ndarray
    city: np.ndarray
    gender: np.ndarray

    @property
    def size(self) -> int:
        """Number of users."""
        return len(self.broad)

    def intent_on(
        self, user: np.ndarray, category: np.ndarray, day: np.ndarray, shift_day: int | None
    ) -> np.ndarray:
        """Return ``[R, 5]``: the intent of each user on each day, from an item of ``category``."""
        intent = self.intent[user]
        if shift_day is not None:
            intent = np.where((day >= shift_day)[:, None], self.later_intent[user], intent)
        if not self.home.shape[1]:
            return intent
        at_home = (self.home[user] == category[:, None]).any(axis=1)
        return np.where(at_home[:, None], intent, self.roaming[user])

    def quality_liking(
        self, user: np.ndarray, category: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which users like some qualities of ``category``, and their ``[K, qualities]``."""
        home = self.home[:, : self.qualities.shape[1]]
        row, number = np.nonzero(home[user] == category[:, None])
        return row, self.qualities[user[row], number]


def build_people(settings: SimulatorSettings, generator: np.random.Generator) -> People:
    """Return the users, half of them (``broad_share``) of broad intent."""
    num = settings.users
    broad = generator.permutation(num) < round(settings.broad_share * num)
    intent = _draw_intent(broad, settings.intent_concentration, generator)
    shifted = ~broad & (generator.random(num) < settings.drift.intent_share)
    shifted &= settings.drift.intent_day is not None
    turned = _draw_intent(np.ones(num, dtype=bool), settings.intent_concentration, generator)
    gamma = np.array(_DEPARTMENT_CONCENTRATION)[broad.astype(int)]
    departments = generator.gamma(gamma[:, None], 1.0, (num, settings.departments)) + 1e-6
    activity = np.exp(generator.normal(0, 0.5, num))
    drawn = People(
        broad=broad,
        intent=intent,
        shifted=shifted,
        later_intent=np.where(shifted[:, None], turned, intent),
        home=np.zeros((num, 0), dtype=int),
        roaming=intent,
        qualities=np.zeros((num, 0, settings.qualities)),
        departments=departments / departments.sum(axis=1, keepdims=True),
        brands=generator.normal(0, 1, (num, settings.departments * settings.brands)),
        price=generator.normal(0, 1, num),
        activity=activity / activity.mean(),
        age=_telling(broad, len(AGE_BANDS), 2, settings.profile_signal, generator),
        city=_telling(broad, len(CITIES), 3, 0.5 * settings.profile_signal, generator),
        gender=generator.choice(len(GENDERS), num, p=(0.48, 0.45, 0.07)),
    )
    return _with_homes(drawn, settings, generator) if settings.home_categories else drawn


def _with_homes(
    people: People, settings: SimulatorSettings, generator: np.random.Generator
) -> People:
    """Return the users with categories they are at home in, whatever their population."""
    liking = generator.random((people.size, settings.departments * settings.categories))
    roaming = _draw_intent(
        np.ones(people.size, dtype=bool), settings.intent_concentration, generator
    )
    tastes = settings.home_categories if settings.quality_taste else 0
    return replace(
        people,
        home=np.argsort(liking, axis=1)[:, : settings.home_categories],
        roaming=np.where(people.broad[:, None], people.intent, roaming),
        qualities=generator.normal(0, 1, (people.size, tastes, settings.qualities)),
    )


def user_table(people: People) -> pl.DataFrame:
    """Return the users as a shop would export them: without a word on their intent."""
    return pl.DataFrame(
        {
            "user_id": np.arange(people.size) + FIRST_USER_ID,
            "gender": np.array(GENDERS)[people.gender],
            "city": np.array(CITIES)[people.city],
            "age_band": np.array(AGE_BANDS)[people.age],
        }
    )


def _draw_intent(
    broad: np.ndarray, concentration: float, generator: np.random.Generator
) -> np.ndarray:
    """Return Dirichlet draws around each user's population."""
    gamma = generator.gamma(concentration * POPULATION_INTENT[broad.astype(int)], 1.0)
    drawn = gamma / gamma.sum(axis=1, keepdims=True)
    return (drawn + _INTENT_FLOOR) / (1 + NUM_TIERS * _INTENT_FLOOR)


def _telling(
    broad: np.ndarray, size: int, low: int, signal: float, generator: np.random.Generator
) -> np.ndarray:
    """Return indices below ``size``; the more signal, the better they tell the populations apart.

    With probability ``signal`` broad users have one below ``low``, the others one from there on.
    """
    anything = generator.integers(0, size, len(broad))
    typical = np.where(
        broad, generator.integers(0, low, len(broad)), generator.integers(low, size, len(broad))
    )
    return np.where(generator.random(len(broad)) < signal, typical, anything)
