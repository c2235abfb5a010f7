"""Divergences between intents."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from models.errors import DataError
from models.metrics.intent import intent_entropy, js_divergence, mean_intent, mean_level

counts = st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(any)


@given(counts, counts)
def test_js_divergence_is_scipys_distance_squared(p: list[int], q: list[int]) -> None:
    first, second = np.array(p, dtype=float), np.array(q, dtype=float)
    expected = jensenshannon(first, second, base=2) ** 2
    assert js_divergence(first, second) == pytest.approx(expected, abs=1e-9)
    assert js_divergence(first, second) == pytest.approx(js_divergence(second, first), abs=1e-12)


def test_js_divergence_runs_from_0_to_1() -> None:
    assert js_divergence(np.array([0.2, 0.8]), np.array([0.2, 0.8])) == 0.0
    assert js_divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


def test_js_divergence_works_row_by_row() -> None:
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])
    q = np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_array_equal(js_divergence(p, q), [1.0, 0.0, math.nan])


def test_logits_in_place_of_intents_are_refused() -> None:
    with pytest.raises(DataError, match="not logits"):
        js_divergence(np.array([-1.0, 2.0]), np.array([0.5, 0.5]))


def test_mean_intent_counts_only_where_the_mask_holds() -> None:
    intents = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(mean_intent(intents), [1 / 3, 2 / 3])
    np.testing.assert_allclose(mean_intent(intents, np.array([True, True, False])), [0.5, 0.5])
    assert np.isnan(mean_intent(intents, np.zeros(3, dtype=bool))).all()


def test_mean_level_and_entropy_of_known_intents() -> None:
    intents = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(mean_level(intents), [2.0, 1.0])
    np.testing.assert_allclose(intent_entropy(intents), [0.0, math.log2(3)])
