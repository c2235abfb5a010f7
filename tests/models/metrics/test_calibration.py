"""Calibration metrics against their definitions, bin by bin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.calibration import (
    expected_calibration_error,
    normalised_entropy,
    reliability_curve,
    wilson_interval,
)

predictions = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=1, max_size=60
)


@given(predictions, st.integers(1, 20))
def test_ece_is_the_mean_gap_over_equal_width_bins(rows: list, bins: int) -> None:
    labels = np.array([label for label, _ in rows])
    p = np.array([value for _, value in rows])
    expected = 0.0
    for i in range(bins):
        inside = [j for j, v in enumerate(p) if min(math.floor(v * bins), bins - 1) == i]
        if inside:
            gap = abs(np.mean(labels[inside]) - np.mean(p[inside]))
            expected += len(inside) / len(p) * gap
    assert expected_calibration_error(labels, p, bins) == pytest.approx(expected, abs=1e-12)


@given(predictions)
def test_every_example_is_in_one_bin_of_the_reliability_curve(rows: list) -> None:
    labels = np.array([label for label, _ in rows])
    p = np.array([value for _, value in rows])
    curve = reliability_curve(labels, p, bins=5)
    assert curve.count.sum() == len(p)
    assert (curve.count > 0).all()
    assert curve.count @ curve.observed == pytest.approx(labels.sum(), abs=1e-9)
    assert curve.count @ curve.predicted == pytest.approx(p.sum(), abs=1e-9)
    assert (curve.low <= curve.observed + 1e-12).all()
    assert (curve.observed <= curve.high + 1e-12).all()


def test_probabilities_that_are_right_are_calibrated() -> None:
    random = np.random.default_rng(1)
    p = random.beta(1, 8, 200_000)
    labels = random.random(len(p)) < p
    assert expected_calibration_error(labels, p) < 0.004
    assert expected_calibration_error(labels, p / 2) > 0.04


def test_predicting_the_click_rate_has_normalised_entropy_1() -> None:
    labels = np.array([1, 0, 0, 0])
    assert normalised_entropy(labels, np.full(4, 0.25)) == pytest.approx(1.0, abs=1e-12)
    assert normalised_entropy(labels, np.array([0.7, 0.1, 0.1, 0.1])) < 1
    assert math.isnan(normalised_entropy(np.ones(4, dtype=int), np.full(4, 0.25)))


def test_wilson_interval_agrees_with_a_known_value() -> None:
    low, high = wilson_interval(np.array([0.5]), np.array([10]))
    assert (low[0], high[0]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
