"""Groups of users, histories and items."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DataError
from models.metrics.groups import (
    bands,
    equal_groups,
    group_table,
    intent_diversity,
    interest_volatility,
    look_up,
    newest_days,
)
from models.metrics.ranking import auc, gauc


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=8))
def test_volatility_is_the_share_of_steps_that_change_kind(histories: list[list[int]]) -> None:
    kinds = np.array([kind for history in histories for kind in history], dtype=int)
    offsets = np.cumsum([0, *map(len, histories)])
    found = interest_volatility(kinds, offsets)
    for history, value in zip(histories, found, strict=True):
        steps = list(pairwise(history))
        expected = sum(a != b for a, b in steps) / len(steps) if steps else math.nan
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_diversity_counts_distinct_kinds_besides_the_triggers_per_request() -> None:
    rows = [
        # user, request, label, kind, trigger's kind
        ("a", 1, 1, "shoes", "shirt"),
        ("a", 1, 1, "shoes", "shirt"),
        ("a", 1, 1, "hats", "shirt"),
        ("a", 1, 0, "bags", "shirt"),
        ("a", 2, 1, "shirt", "shirt"),
        ("b", 3, 0, "hats", "shirt"),
    ]
    user, request, label, kind, trigger = (np.array(column) for column in zip(*rows, strict=True))
    names, values = intent_diversity(user, request, label, kind, trigger)
    assert list(names) == ["a", "b"]
    np.testing.assert_array_equal(values, [1.0, math.nan])  # (2 + 0) / 2 requests; never clicked
    np.testing.assert_array_equal(
        look_up(names, values, np.array(["c", "a", "b"])), [math.nan, 1.0, math.nan]
    )


def test_the_newest_days_end_with_the_newest_row_of_all_or_of_each_user() -> None:
    day = 86_400
    time = 1_600_000_000 + np.array([0, day, 7 * day, 8 * day - 1, 8 * day])
    assert newest_days(time, days=7).tolist() == [False, False, True, True, True]
    users = np.array([0, 0, 2, 2, 2])
    assert newest_days(time, users, days=1).tolist() == [False, True, False, True, True]
    assert newest_days(time, days=9).all()
    assert newest_days(time[:0]).tolist() == []


def test_bands_hold_their_lower_end() -> None:
    codes, names = bands(np.array([0, 1, 4, 5, 99]), (0, 1, 5, 20))
    assert list(codes) == [0, 1, 1, 2, 3]
    assert names == ["0", "1 to 4", "5 to 19", "20 or more"]
    codes, names = bands(np.array([0.5, math.nan]), (0, 1))
    assert list(codes) == [0, -1]
    assert names == ["0 to under 1", "1 or more"]


def test_equal_groups_are_equal_and_leave_unknown_values_out() -> None:
    codes = equal_groups(np.array([*np.arange(9.0), math.nan]), ("low", "middle", "high"))
    assert list(codes) == [0, 0, 0, 1, 1, 1, 2, 2, 2, -1]


def test_group_table_measures_each_group_alone() -> None:
    random = np.random.default_rng(0)
    labels, users = random.integers(0, 2, 300), random.integers(0, 20, 300)
    p, base = random.random(300), random.random(300)
    codes = random.integers(-1, 2, 300)
    table = group_table(
        labels, p, users, codes, ("left", "right", "empty"), base_probability=base, repeats=20
    )
    assert table["group"].to_list() == ["left", "right"]
    left = codes == 0
    row = table.row(0, named=True)
    assert row["impressions"] == left.sum()
    assert row["auc"] == auc(labels[left], p[left])
    ours = gauc(labels[left], p[left], users[left]).value
    theirs = gauc(labels[left], base[left], users[left]).value
    assert row["gauc"] == pytest.approx(ours, abs=1e-12)
    assert row["base_gauc"] == pytest.approx(theirs, abs=1e-12)
    assert row["difference"] == pytest.approx(ours - theirs, abs=1e-12)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_codes_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="2 group codes for 3 examples"):
        group_table(np.array([0, 1, 0]), np.ones(3) / 2, np.arange(3), np.array([0, 0]), ("all",))
