"""The click model: intent at the target's similarity tier, times taste, popularity and noise."""

import numpy as np

from models.data.datasets.simulator.people import NUM_TIERS, People
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import Shop
from models.data.datasets.simulator.traffic import Requests, Shown

MAX_CLICK = 0.95
_BRAND_SHARE, _PRICE_SHARE = 0.8, 0.6  # of the taste; squares add up to 1
_POPULARITY = 0.25  # standard deviation of the log click rate from popularity


def shown_prices(
    shop: Shop, requests: Requests, shown: Shown, settings: SimulatorSettings
) -> np.ndarray:
    """Return the price each impression showed, after any price drift."""
    drift, price = settings.drift, shop.price[shown.item]
    if drift.price_day is None:
        return price
    late = requests.day[shown.request] >= drift.price_day
    return np.round(np.where(late, price * drift.price_factor, price), 2)


def click_probability(
    shop: Shop,
    people: People,
    requests: Requests,
    shown: Shown,
    *,
    settings: SimulatorSettings,
    generator: np.random.Generator,
    fashion: np.ndarray | None = None,
) -> np.ndarray:
    """Return P(click) of every impression.

    It is ``click_rate · intent[tier] · 5 · exp(z - var(z) / 2)``: as every tier is shown equally
    often, a user's clicks fall on the tiers by the user's intent, and every user clicks equally
    often. ``z`` gathers taste (brand and price, and at home quality), popularity, the day's
    ``fashion`` and noise.
    """
    user, day = requests.user[shown.request], requests.day[shown.request]
    category = shop.category[requests.trigger[shown.request]]
    intent = people.intent_on(user, category, day, settings.drift.intent_day)
    rate = settings.click_rate * NUM_TIERS * intent[np.arange(len(user)), shown.tier]
    drift = settings.drift
    if drift.click_rate_day is not None:
        rate = np.where(day >= drift.click_rate_day, rate * drift.click_rate_factor, rate)
    brand = people.brands[user, shop.brand[shown.item]]
    price = people.price[user] * price_rank(shop)[shown.item]
    popularity = np.log(shop.popularity)[shown.item]
    spread = np.log(shop.popularity).std() or 1.0
    z = settings.taste * (_BRAND_SHARE * brand + _PRICE_SHARE * price)
    z = z + _POPULARITY * (popularity - popularity.mean()) / spread
    z = z + settings.noise * generator.normal(0, 1, len(user))
    variance = settings.taste**2 + _POPULARITY**2 + settings.noise**2
    if fashion is not None:
        z = z + fashion[day, shop.category[shown.item]]
        variance += drift.fashion**2
    at_home, liking = people.quality_liking(user, shop.category[shown.item])
    liking = liking[np.arange(len(at_home)), shop.quality[shown.item[at_home]]]
    z[at_home] += settings.quality_taste * liking - settings.quality_taste**2 / 2
    return np.minimum(rate * np.exp(z - variance / 2), MAX_CLICK)


def price_rank(shop: Shop) -> np.ndarray:
    """Return each item's log price against its own category: mean 0, deviation 1."""
    log_price = np.log(shop.price)
    count = np.bincount(shop.category)
    centred = log_price - (np.bincount(shop.category, log_price) / count)[shop.category]
    deviation = np.sqrt(np.bincount(shop.category, centred**2) / count)[shop.category]
    return centred / np.maximum(deviation, 1e-9)
