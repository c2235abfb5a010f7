"""The simulated log: its clicks follow the true intents, its knobs do what they say."""

import time

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from models.data.datasets.simulator.people import NUM_TIERS, POPULATION_INTENT
from models.data.datasets.simulator.seasons import DAY_S, START_S
from models.data.datasets.simulator.settings import (
    DriftSettings,
    SeasonalitySettings,
    SimulatorSettings,
)
from models.data.datasets.simulator.shelf import build_ranges, launched_later, tier_between
from models.data.datasets.simulator.trends import fashion, launch_days
from models.data.datasets.simulator.world import Simulation, World, simulate

SMALL = SimulatorSettings(
    users=600, items=400, requests=6000, departments=6, categories=4, brands=3
)


def small(**changes: object) -> World:
    return simulate(SMALL.model_copy(update=changes))


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(SMALL)


def impression_day(world: World) -> np.ndarray:
    return world.requests.day[world.shown.request]


def click_shares(world: World, of: np.ndarray) -> np.ndarray:
    count = np.bincount(world.shown.tier[of & world.clicked], minlength=NUM_TIERS)
    return count / count.sum()


def broad(world: World) -> np.ndarray:
    return world.people.broad[world.requests.user[world.shown.request]]


@pytest.mark.parametrize("population", [0, 1])
def test_clicks_of_a_population_fall_on_the_tiers_by_its_intent(
    world: World, population: int
) -> None:
    shares = click_shares(world, broad(world) == bool(population))
    assert np.abs(shares - POPULATION_INTENT[population]).max() < 0.05


def test_clicks_of_a_single_user_follow_the_intent_of_that_user_not_the_population() -> None:
    world = small(intent_concentration=2.0, requests=20_000, noise=0.0, taste=0.0)
    user = world.requests.user[world.shown.request]
    counts = np.zeros((world.people.size, NUM_TIERS))
    np.add.at(counts, (user[world.clicked], world.shown.tier[world.clicked]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    to_own = np.abs(shares - world.people.intent).sum(axis=1).mean()
    to_population = np.abs(shares - POPULATION_INTENT[world.people.broad.astype(int)]).sum(axis=1)
    assert to_own < 0.7 * to_population.mean()


def test_every_tier_is_shown_about_equally_often(world: World) -> None:
    shares = np.bincount(world.shown.tier, minlength=NUM_TIERS) / len(world.shown.tier)
    assert shares.min() > 0.15
    assert shares.max() < 0.25


def test_both_populations_click_equally_often_so_only_intent_tells_them_apart(
    world: World,
) -> None:
    rates = [world.clicked[broad(world) == b].mean() for b in (False, True)]
    assert abs(rates[0] - rates[1]) < 0.03


def test_intent_explains_far_more_clicks_than_similarity_alone(world: World) -> None:
    truth = roc_auc_score(world.clicked, world.probability)
    similarity = roc_auc_score(world.clicked, world.shown.tier)
    assert truth > 0.8
    assert abs(similarity - 0.5) < 0.1


def test_tiers_are_the_structure_the_shop_has(world: World) -> None:
    shop, shown = world.shop, world.shown
    trigger = world.requests.trigger[shown.request]
    expected = (
        (shop.department[trigger] // 2 == shop.department[shown.item] // 2).astype(int)
        + (shop.department[trigger] == shop.department[shown.item])
        + (shop.category[trigger] == shop.category[shown.item])
        + (shop.cell[trigger] == shop.cell[shown.item])
    )
    assert (shown.tier == expected).all()
    ranges = build_ranges(shop)
    assert (tier_between(ranges, trigger, trigger) == NUM_TIERS - 1).all()


def test_no_target_is_the_trigger_or_shown_twice_in_a_request(world: World) -> None:
    shown = world.shown
    assert (shown.item != world.requests.trigger[shown.request]).all()
    pairs = np.stack([shown.request, shown.item], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_trigger_precedes_its_request_and_target_clicks_follow_it(world: World) -> None:
    assert (world.trigger_clicks.time < world.requests.time).all()
    at = world.shown.request[world.clicked]
    assert (world.target_clicks.time > world.requests.time[at]).all()
    assert world.past.time.max() < START_S


def test_profile_tells_the_population_only_with_signal() -> None:
    def best_guess(world: World) -> float:
        young = world.people.age < 2
        return max((young == world.people.broad).mean(), (young != world.people.broad).mean())

    assert best_guess(small(profile_signal=0.9)) > 0.88
    assert best_guess(small(profile_signal=0.0)) < 0.6


def test_browsing_before_the_log_is_more_focused_for_specific_users(world: World) -> None:
    chains = len(world.past.user) // 3
    anchor, later = world.past.item[:chains], world.past.item[chains : 2 * chains]
    tier = tier_between(build_ranges(world.shop), anchor, later)
    by_user = world.people.broad[world.past.user[:chains]]
    assert tier[~by_user].mean() > tier[by_user].mean() + 1.5


def test_specific_users_are_specific_only_in_their_home_categories() -> None:
    world = small(home_categories=2, requests=20_000)
    trigger = world.shop.category[world.requests.trigger[world.shown.request]]
    user = world.requests.user[world.shown.request]
    at_home = (world.people.home[user] == trigger[:, None]).any(axis=1)
    specific, vague = POPULATION_INTENT
    expected = {(False, True): specific, (False, False): vague, (True, True): vague}
    for (is_broad, home), intent in expected.items():
        shares = click_shares(world, (broad(world) == is_broad) & (at_home == home))
        assert np.abs(shares - intent).max() < 0.06


def test_users_start_from_home_categories_as_often_as_home_share_says() -> None:
    for share in (0.0, 0.5, 1.0):
        world = small(home_categories=2, home_share=share)
        home = world.people.home[world.requests.user]
        assert (home[:, 0] != home[:, 1]).all()
        trigger = world.shop.category[world.requests.trigger]
        by_chance = (1 - share) * 2 / len(np.unique(world.shop.category))
        assert abs((home == trigger[:, None]).any(axis=1).mean() - share - by_chance) < 0.03


def test_nobody_starts_from_a_home_category_that_is_not_sold_yet() -> None:
    drift = DriftSettings(categories_day=7, new_categories=6)
    world = small(home_categories=2, home_share=1.0, drift=drift)
    late = launched_later(world.shop, SMALL.model_copy(update={"drift": drift}))
    early = world.requests.day < 7
    assert not late[world.requests.trigger[early]].any()
    assert late[world.requests.trigger[~early]].any()


def test_homes_leave_users_and_items_as_they_were(world: World) -> None:
    homes = small(home_categories=3)
    np.testing.assert_array_equal(homes.people.intent, world.people.intent)
    np.testing.assert_array_equal(homes.people.age, world.people.age)
    np.testing.assert_array_equal(homes.shop.price, world.shop.price)


def liking_at_home(world: World, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return how each user likes the quality of his item, for those items that are of a home."""
    row, liking = world.people.quality_liking(user, world.shop.category[item])
    return liking[np.arange(len(row)), world.shop.quality[item[row]]]


def test_at_home_users_take_the_qualities_they_like_there() -> None:
    world = small(home_categories=2, quality_taste=1.0, click_rate=0.05, requests=20_000)
    user = world.requests.user[world.shown.request]
    shown = liking_at_home(world, user, world.shown.item)
    clicked = liking_at_home(world, user[world.clicked], world.shown.item[world.clicked])
    # exp(z - 1/2) as a weight moves a standard normal by one.
    assert abs(shown.mean()) < 0.2  # a trigger, which is liked, is never shown
    assert clicked.mean() > shown.mean() + 0.7
    assert liking_at_home(world, world.requests.user, world.requests.trigger).mean() > 0.7
    assert liking_at_home(world, world.past.user, world.past.item).mean() > 0.7


def test_a_taste_for_qualities_leaves_all_else_as_it_was() -> None:
    plain, tasteful = small(home_categories=2), small(home_categories=2, quality_taste=1.0)
    for part in ("intent", "home", "roaming", "brands", "age", "city"):
        np.testing.assert_array_equal(getattr(plain.people, part), getattr(tasteful.people, part))
    for column in ("user", "time", "day"):
        ours = getattr(tasteful.requests, column)
        np.testing.assert_array_equal(getattr(plain.requests, column), ours)
    before, after = plain.requests.trigger, tasteful.requests.trigger
    assert (before != after).any()
    np.testing.assert_array_equal(plain.shop.cell[before], tasteful.shop.cell[after])


def test_an_item_has_one_of_the_qualities_that_there_are() -> None:
    assert set(small(qualities=3).shop.quality) == {0, 1, 2}


def test_a_taste_for_qualities_needs_home_categories() -> None:
    with pytest.raises(ValidationError, match="quality_taste = 1 is a taste in home categories"):
        SimulatorSettings.model_validate(SMALL.model_dump() | {"quality_taste": 1})


def test_more_home_categories_than_the_shop_has_are_refused() -> None:
    with pytest.raises(ValidationError, match="home_categories = 25, but the shop has only 24"):
        SimulatorSettings.model_validate(SMALL.model_dump() | {"home_categories": 25})


@pytest.mark.parametrize("seed", [0, 1])
def test_same_seed_same_log_and_another_seed_another(seed: int) -> None:
    first, second = small(seed=seed), small(seed=seed)
    np.testing.assert_array_equal(first.clicked, second.clicked)
    np.testing.assert_array_equal(first.probability, second.probability)
    other = small(seed=seed + 2)
    assert not np.array_equal(first.requests.user, other.requests.user)


def test_price_drift_raises_shown_prices_from_its_day_on() -> None:
    world = small(drift=DriftSettings(price_day=7, price_factor=2.0))
    ratio = world.price / world.shop.price[world.shown.item]
    late = impression_day(world) >= 7
    np.testing.assert_allclose(ratio[late], 2.0, rtol=0.01)
    np.testing.assert_allclose(ratio[~late], 1.0)


def test_new_categories_are_neither_shown_nor_sought_before_their_day() -> None:
    drift = DriftSettings(categories_day=7, new_categories=3)
    world = small(drift=drift)
    late_item = launched_later(world.shop, SMALL.model_copy(update={"drift": drift}))
    assert len(np.unique(world.shop.category[late_item])) == 3
    early = impression_day(world) < 7
    assert not late_item[world.shown.item[early]].any()
    assert not late_item[world.requests.trigger[world.requests.day < 7]].any()
    assert not late_item[world.past.item].any()
    assert late_item[world.shown.item[~early]].mean() > 0.05


def test_popularity_reversal_makes_slow_sellers_best_sellers() -> None:
    world = small(drift=DriftSettings(popularity_day=7))
    late = impression_day(world) >= 7

    def correlation(of: np.ndarray) -> float:
        count = np.bincount(world.shown.item[of], minlength=world.shop.size)
        return float(np.corrcoef(count, np.log(world.shop.popularity))[0, 1])

    assert correlation(~late) > 0.4
    assert correlation(late) < -0.4


def test_intent_shift_turns_specific_users_broad() -> None:
    world = small(drift=DriftSettings(intent_day=7, intent_share=1.0))
    late = impression_day(world) >= 7
    specific = ~broad(world)
    assert np.abs(click_shares(world, specific & ~late) - POPULATION_INTENT[0]).max() < 0.06
    assert np.abs(click_shares(world, specific & late) - POPULATION_INTENT[1]).max() < 0.06


def test_click_rate_drift_scales_the_click_rate() -> None:
    world = small(drift=DriftSettings(click_rate_day=7, click_rate_factor=0.5))
    late = impression_day(world) >= 7
    assert world.clicked[late].mean() / world.clicked[~late].mean() == pytest.approx(0.5, abs=0.06)


def test_fashion_moves_the_click_rates_of_categories_and_forgets_by_its_half_life() -> None:
    settings = SMALL.model_copy(
        update={"days": 400, "drift": DriftSettings(fashion=0.8, fashion_half_life_days=3)}
    )
    walk = fashion(Simulation(settings).shop, settings, np.random.default_rng(1))
    assert walk is not None
    assert walk.std() == pytest.approx(0.8, abs=0.05)
    remembered = np.mean(walk[3:] * walk[:-3]) / walk.var()
    assert remembered == pytest.approx(0.5, abs=0.07)


def test_fashion_leaves_the_click_rate_and_the_requests_as_they_were(world: World) -> None:
    moved = small(drift=DriftSettings(fashion=0.3))
    assert moved.probability.mean() == pytest.approx(world.probability.mean(), rel=0.1)
    np.testing.assert_array_equal(moved.shown.item, world.shown.item)
    assert np.corrcoef(moved.probability, world.probability)[0, 1] < 0.97


def test_new_items_are_neither_shown_nor_sought_before_their_day() -> None:
    settings = SMALL.model_copy(update={"drift": DriftSettings(new_items_share=0.5)})
    moved = small(drift=DriftSettings(new_items_share=0.5))
    streams = np.random.SeedSequence(settings.seed).spawn(9)
    launched = launch_days(moved.shop, settings, np.random.default_rng(streams[7]))
    assert 0.3 < (launched > 0).mean() <= 0.5
    shown_on = moved.requests.day[moved.shown.request]
    assert (launched[moved.shown.item] <= shown_on).all()
    assert (launched[moved.requests.trigger] <= moved.requests.day).all()
    assert len(np.unique(moved.shown.item[launched[moved.shown.item] > 0])) > 50


def test_turning_on_a_drift_leaves_everything_before_its_day_as_it_was(world: World) -> None:
    drifted = small(drift=DriftSettings(price_day=7, intent_day=7, click_rate_day=7))
    early = impression_day(world) < 7
    np.testing.assert_array_equal(drifted.clicked[early], world.clicked[early])
    np.testing.assert_array_equal(drifted.shown.item, world.shown.item)


def test_seasons_make_weekends_and_evenings_busier_and_zero_turns_them_off() -> None:
    def busy(world: World) -> tuple[float, float]:
        hour = (world.requests.time - START_S) % DAY_S // 3600
        evening = ((hour >= 18) & (hour < 22)).mean()
        return float((world.requests.day % 7 >= 5).mean()), float(evening)

    weekend, evening = busy(small(seasonality=SeasonalitySettings(weekly=1, daily=1)))
    flat_weekend, flat_evening = busy(small(seasonality=SeasonalitySettings(weekly=0, daily=0)))
    assert weekend > flat_weekend + 0.05
    assert evening > flat_evening + 0.1
    assert flat_weekend == pytest.approx(2 / 7, abs=0.03)


def test_too_few_items_for_the_shop_is_a_named_error() -> None:
    with pytest.raises(ValidationError, match="at least 480"):
        SimulatorSettings(items=100)


def test_no_past_clicks_leave_an_empty_past() -> None:
    assert len(small(past_clicks=0).past.user) == 0


def test_a_million_impressions_take_well_under_a_minute() -> None:
    settings = SimulatorSettings(users=20_000, items=5000, requests=127_000, images=False)
    started = time.perf_counter()
    world = simulate(settings)
    assert len(world.clicked) > 990_000
    assert time.perf_counter() - started < 30
