"""Ranking metrics against the definitions, pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DataError
from models.metrics.ranking import auc, gauc, group_aucs, log_loss, rela_impr, roc_curve

# Few distinct scores, so that ties are common; few users, so that some have one class only.
examples = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 4), st.integers(0, 3)),
    max_size=40,
)


def arrays(rows: list[tuple[int, int, int, int]]) -> tuple[np.ndarray, ...]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return table[:, 0].astype(np.int8), table[:, 1] / 7, table[:, 2], table[:, 3].astype(float)


def pair_auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> float:
    """DAIAN Eq. 22 written out, with ties as one half and pair weights."""
    won = total = 0.0
    for p in np.flatnonzero(labels == 1):
        for n in np.flatnonzero(labels == 0):
            weight = weights[p] * weights[n]
            total += weight
            won += weight * (1.0 if scores[p] > scores[n] else 0.5 * (scores[p] == scores[n]))
    return won / total if total > 0 else math.nan


@given(examples)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list) -> None:
    labels, scores, _, weights = arrays(rows)
    ones = np.ones(len(labels))
    assert auc(labels, scores) == pytest.approx(
        pair_auc(labels, scores, ones), abs=1e-12, nan_ok=True
    )
    assert auc(labels, scores, weights) == pytest.approx(
        pair_auc(labels, scores, weights), abs=1e-12, nan_ok=True
    )


@given(examples)
def test_gauc_is_the_impression_weighted_mean_over_users_with_both_classes(rows: list) -> None:
    labels, scores, users, _ = arrays(rows)
    weighted = counted = skipped = impressions = 0
    for user in np.unique(users):
        mine = users == user
        value = pair_auc(labels[mine], scores[mine], np.ones(mine.sum()))
        if math.isnan(value):
            skipped += 1
            continue
        counted += 1
        impressions += int(mine.sum())
        weighted += value * mine.sum()
    found = gauc(labels, scores, users)
    expected = weighted / impressions if impressions else math.nan
    assert found.value == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert (found.groups_counted, found.groups_skipped) == (counted, skipped)
    assert found.impressions_counted == impressions


@given(examples)
def test_gauc_does_not_depend_on_how_users_are_named(rows: list) -> None:
    labels, scores, users, _ = arrays(rows)
    named = np.array([f"user {9 - u}" for u in users], dtype="U8")
    np.testing.assert_allclose(gauc(labels, scores, users).value, gauc(labels, scores, named).value)


@given(examples)
def test_auc_of_reversed_scores_is_its_complement(rows: list) -> None:
    labels, scores, _, _ = arrays(rows)
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12, nan_ok=True)


@given(examples)
def test_area_under_the_whole_roc_curve_is_the_auc(rows: list) -> None:
    labels, scores, _, _ = arrays(rows)
    false_rate, true_rate = roc_curve(labels, scores, points=10_000)
    area = float(np.trapezoid(true_rate, false_rate))
    assert area == pytest.approx(auc(labels, scores), abs=1e-12, nan_ok=True)


def test_thinned_roc_curve_starts_and_ends_in_the_corners() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 5000)
    false_rate, true_rate = roc_curve(labels, random.random(5000) + labels, points=50)
    assert len(false_rate) <= 52
    assert (false_rate[0], true_rate[0]) == (0, 0)
    assert (false_rate[-1], true_rate[-1]) == (1, 1)
    assert (np.diff(false_rate) >= 0).all()


def test_group_aucs_keep_each_group_with_its_impressions() -> None:
    found = group_aucs(
        np.array([1, 0, 1, 1]), np.array([0.9, 0.1, 0.2, 0.3]), np.array(["b", "b", "a", "a"])
    )
    assert list(found.groups) == ["a", "b"]
    assert list(found.impressions) == [2, 2]
    np.testing.assert_array_equal(found.auc, [math.nan, 1.0])


def test_log_loss_is_finite_for_a_certain_mistake() -> None:
    assert log_loss(np.array([1, 0]), np.array([0.0, 0.0])) == pytest.approx(
        -math.log(1e-7) / 2, rel=1e-6
    )
    assert math.isnan(log_loss(np.empty(0, dtype=int), np.empty(0)))


@pytest.mark.parametrize(
    ("model", "base", "printed"),
    [
        (0.7024, 0.6914, 5.75),
        (0.6432, 0.6318, 8.65),
        (0.6259, 0.6154, 9.10),
        (0.6062, 0.5954, 11.32),
    ],
)
def test_rela_impr_gives_the_numbers_of_daian_table_1(
    model: float, base: float, printed: float
) -> None:
    assert rela_impr(model, base) == pytest.approx(printed, abs=0.006)


@pytest.mark.parametrize("base", [0.5, 0.4, math.nan])
def test_rela_impr_is_undefined_over_a_base_no_better_than_chance(base: float) -> None:
    assert math.isnan(rela_impr(0.7, base))


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 of 2 scores are not finite"):
        auc(np.array([0, 1]), np.array([0.1, np.nan]))


def test_labels_other_than_0_and_1_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 labels are neither 0 nor 1"):
        gauc(np.array([0, 2]), np.array([0.1, 0.2]), np.array([1, 1]))


def test_logits_in_place_of_probabilities_are_refused() -> None:
    with pytest.raises(DataError, match="not logits"):
        log_loss(np.array([0, 1]), np.array([-2.0, 3.0]))
