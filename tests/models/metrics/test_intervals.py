"""Bootstraps: the same numbers as resampling rows by hand, and intervals that hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigError
from models.metrics.intervals import paired_bootstrap, rank_sum_test, user_bootstrap
from models.metrics.ranking import auc, gauc, log_loss


def shop(seed: int, users: int = 60, skill: float = 1.0) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), random.integers(1, 12, users))
    taste = random.normal(0, 1, users)[user]
    label = (random.random(len(user)) < 1 / (1 + np.exp(1.5 - taste))).astype(int)
    score = 1 / (1 + np.exp(-skill * (label - 0.5) - random.normal(0, 1, len(user)) - taste))
    return label, score, user


def by_hand(
    metric: str, labels: np.ndarray, scores: np.ndarray, users: np.ndarray, drawn: np.ndarray
) -> float:
    """The metric on the rows of the drawn users, each user as often as drawn."""
    parts = [np.flatnonzero(users == user) for user in drawn]
    rows = np.concatenate(parts)
    copies = np.repeat(np.arange(len(drawn)), [len(part) for part in parts])
    if metric == "auc":
        return auc(labels[rows], scores[rows])
    if metric == "gauc":
        return gauc(labels[rows], scores[rows], copies).value
    return log_loss(labels[rows], scores[rows])


@settings(max_examples=15)
@given(st.sampled_from(["auc", "gauc", "log_loss"]), st.integers(0, 1000), st.booleans())
def test_bootstrap_equals_resampling_rows_by_hand(metric: str, seed: int, ties: bool) -> None:
    labels, scores, users = shop(seed, users=12)
    scores = np.round(scores, 1) if ties else scores
    repeats = 9
    found = user_bootstrap(metric, labels, scores, users, repeats, seed)
    random = np.random.default_rng(seed)
    draws = [
        by_hand(metric, labels, scores, users, random.integers(12, size=12)) for _ in range(repeats)
    ]
    draws = [d for d in draws if not math.isnan(d)]
    low, high = np.quantile(draws, (0.025, 0.975)) if draws else (math.nan, math.nan)
    once = by_hand(metric, labels, scores, users, np.arange(12))
    assert found.value == pytest.approx(once, abs=1e-12, nan_ok=True)
    assert found.low == pytest.approx(low, abs=1e-12, nan_ok=True)
    assert found.high == pytest.approx(high, abs=1e-12, nan_ok=True)


def test_intervals_hold_the_long_run_value_about_as_often_as_they_promise() -> None:
    labels, scores, _ = shop(0, users=20_000)
    truth = auc(labels, scores)
    held = 0
    for seed in range(1, 61):
        interval = user_bootstrap("auc", *shop(seed, users=150), repeats=120, seed=seed)
        held += interval.low <= truth <= interval.high
    assert 50 <= held <= 60


def test_a_user_with_many_impressions_widens_the_interval() -> None:
    labels, scores, users = shop(3)
    by_user = user_bootstrap("auc", labels, scores, users, 300, 0)
    by_row = user_bootstrap("auc", labels, scores, np.arange(len(labels)), 300, 0)
    assert by_user.high - by_user.low > by_row.high - by_row.low


def test_paired_bootstrap_sees_a_difference_the_single_intervals_hide() -> None:
    labels, scores, users = shop(5, users=150, skill=0.8)
    better = scores + 0.04 * (labels - 0.5)
    alone = user_bootstrap("auc", labels, scores, users, 300, 1)
    pair = paired_bootstrap(labels, better, scores, users, 300, 1)
    assert set(pair) == {"auc", "gauc"}
    assert alone.low < alone.value + pair["auc"].value < alone.high
    assert pair["auc"].low > 0
    assert pair["auc"].p <= 0.05


def test_paired_bootstrap_turns_its_sign_with_its_arguments() -> None:
    labels, scores, users = shop(6)
    other = np.random.default_rng(0).random(len(labels))
    forth = paired_bootstrap(labels, scores, other, users, 50, 2, metrics=("auc", "log_loss"))
    back = paired_bootstrap(labels, other, scores, users, 50, 2, metrics=("auc", "log_loss"))
    for metric, difference in forth.items():
        assert difference.value == pytest.approx(-back[metric].value)
        assert difference.low == pytest.approx(-back[metric].high)
        assert difference.p == back[metric].p


def test_a_model_against_itself_is_no_difference() -> None:
    labels, scores, users = shop(7)
    same = paired_bootstrap(labels, scores, scores, users, 50, 0)["auc"]
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_two_models_of_equal_skill_are_rarely_told_apart() -> None:
    alarms = 0
    for seed in range(40):
        labels, _, users = shop(seed, users=80, skill=0.0)
        other = np.random.default_rng(seed + 500).random(len(labels))
        mine = np.random.default_rng(seed + 900).random(len(labels))
        alarms += paired_bootstrap(labels, mine, other, users, 100, seed)["auc"].p < 0.05
    assert alarms <= 7


def test_one_class_only_has_no_interval() -> None:
    found = user_bootstrap("auc", np.ones(5, dtype=int), np.arange(5.0), np.arange(5), 10, 0)
    assert all(math.isnan(v) for v in (found.value, found.low, found.high))


def test_no_repeats_leave_the_ends_out() -> None:
    labels, scores, users = shop(1)
    found = user_bootstrap("gauc", labels, scores, users, 0, 0)
    assert found.value == pytest.approx(gauc(labels, scores, users).value, abs=1e-12)
    assert math.isnan(found.low)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ConfigError, match=r"No bootstrap is known for 'ndcg'"):
        user_bootstrap("ndcg", *shop(1), repeats=1, seed=0)


def test_rank_sum_test_is_exact_for_five_seeds() -> None:
    better, worse = np.array([5.1, 5.2, 5.3, 5.4, 5.5]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert rank_sum_test(better, worse) == pytest.approx(1 / 252)
    assert rank_sum_test(worse, better) == pytest.approx(1.0)
    assert math.isnan(rank_sum_test(better, np.empty(0)))
