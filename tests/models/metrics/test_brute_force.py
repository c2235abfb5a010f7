"""Every metric beside the slowest form of its definition, in exact fractions where that exists."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.metrics.calibration import expected_calibration_error, normalised_entropy
from models.metrics.ranking import auc, gauc, group_aucs, log_loss

WITHIN = 1e-12
# Few distinct scores, so that ties are common; small users, so that one class alone is common.
ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([-3.5, -1.0, 0.0, 0.1, 0.25, 2.0, 7.0]) | st.floats(-50, 50),
        st.integers(0, 4),
        st.floats(0, 100, allow_subnormal=False),
    ),
    max_size=30,
)
PROBABILITIES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 1 / 3, 1.0]) | st.floats(0, 1)), max_size=40
)
FAST = settings(max_examples=150)


def columns(rows: list[tuple], *types: type) -> tuple[np.ndarray, ...]:
    return tuple(
        np.array([row[place] for row in rows], dtype=kind) for place, kind in enumerate(types)
    )


def exact_auc(rows: list[tuple[bool, float, Fraction]]) -> Fraction | None:
    """Every click against every non-click: O(n²)."""
    won = weight = Fraction(0)
    for clicked, score, first in rows:
        for other, lower, second in rows:
            if clicked and not other:
                weight += first * second
                won += first * second * (Fraction(score > lower) + Fraction(score == lower) / 2)
    return won / weight if weight else None


def agree(found: float, expected: Fraction | float | None) -> None:
    if expected is None:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(float(expected), rel=WITHIN, abs=WITHIN)


@FAST
@given(ROWS)
def test_auc(rows: list[tuple[bool, float, int, float]]) -> None:
    labels, scores, _, _ = columns(rows, np.int8, np.float64, np.int64, np.float64)
    agree(auc(labels, scores), exact_auc([(row[0], row[1], Fraction(1)) for row in rows]))


@FAST
@given(ROWS)
def test_weighted_auc(rows: list[tuple[bool, float, int, float]]) -> None:
    labels, scores, _, weights = columns(rows, np.int8, np.float64, np.int64, np.float64)
    expected = exact_auc([(row[0], row[1], Fraction(row[3])) for row in rows])
    assume(expected is None or weights[weights > 0].min() > 1e-6)  # sums of 1e-300 and 1 differ
    agree(auc(labels, scores, weights), expected)


@FAST
@given(ROWS)
def test_gauc_and_the_auc_of_every_user(rows: list[tuple[bool, float, int, float]]) -> None:
    labels, scores, users, _ = columns(rows, np.int8, np.float64, np.int64, np.float64)
    found, each = gauc(labels, scores, users), group_aucs(labels, scores, users)
    total, impressions, skipped = Fraction(0), 0, 0
    for place, user in enumerate(sorted(set(users.tolist()))):
        own = [(row[0], row[1], Fraction(1)) for row in rows if row[2] == user]
        expected = exact_auc(own)
        agree(float(each.auc[place]), expected)
        if expected is None:
            skipped += 1
        else:
            total, impressions = total + expected * len(own), impressions + len(own)
    agree(found.value, total / impressions if impressions else None)
    assert (found.groups_skipped, found.impressions_counted) == (skipped, impressions)


@FAST
@given(PROBABILITIES)
def test_log_loss(rows: list[tuple[bool, float]]) -> None:
    labels, p = columns(rows, np.int8, np.float64)
    clipped = [(clicked, min(max(value, 1e-7), 1 - 1e-7)) for clicked, value in rows]
    losses = [-math.log(value if clicked else 1 - value) for clicked, value in clipped]
    agree(log_loss(labels, p), math.fsum(losses) / len(rows) if rows else None)


@FAST
@given(PROBABILITIES, st.integers(1, 20))
def test_expected_calibration_error(rows: list[tuple[bool, float]], bins: int) -> None:
    labels, p = columns(rows, np.int8, np.float64)
    gaps = [Fraction(0)] * bins
    for clicked, value in rows:
        # The bin is that of the product in floating point, as documented: [i / bins, …).
        place = min(int(value * bins), bins - 1)
        gaps[place] += Fraction(clicked) - Fraction(value)
    expected = sum((abs(gap) for gap in gaps), Fraction(0)) / len(rows) if rows else None
    agree(expected_calibration_error(labels, p, bins), expected)


@FAST
@given(PROBABILITIES)
def test_normalised_entropy(rows: list[tuple[bool, float]]) -> None:
    labels, p = columns(rows, np.int8, np.float64)
    clicks = int(labels.sum())
    if clicks in {0, len(rows)}:
        assert math.isnan(normalised_entropy(labels, p))
        return
    rate = Fraction(clicks, len(rows))
    base = -(rate * Fraction(math.log(rate)) + (1 - rate) * Fraction(math.log(1 - rate)))
    agree(normalised_entropy(labels, p), log_loss(labels, p) / float(base))
