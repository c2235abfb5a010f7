from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.datasets.k_core import k_core, k_core_of

EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


def slow_core(events: list[tuple[int, int]], k: int) -> list[bool]:
    kept = [True] * len(events)
    while True:
        users = Counter(u for (u, _), keep in zip(events, kept, strict=True) if keep)
        items = Counter(i for (_, i), keep in zip(events, kept, strict=True) if keep)
        now = [
            keep and users[u] >= k and items[i] >= k
            for (u, i), keep in zip(events, kept, strict=True)
        ]
        if now == kept:
            return kept
        kept = now


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.integers(1, 5))
def test_the_core_is_what_is_left_when_nothing_more_can_be_left_out(events, k: int) -> None:
    users = np.array([user for user, _ in events], dtype=np.int64)
    items = np.array([item for _, item in events], dtype=np.int64)
    assert k_core(users, items, k).tolist() == slow_core(events, k)


def test_leaving_out_an_item_takes_its_user_along() -> None:
    log = pl.DataFrame({"user_id": list("aabbcc"), "item_id": list("xyxyxz")})
    assert k_core_of(log, 2).rows() == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_a_core_of_one_is_everything_and_a_core_of_nothing_is_nothing() -> None:
    log = pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    assert k_core_of(log, 1).equals(log)
    assert k_core_of(log, 2).is_empty()
    assert k_core_of(log.clear(), 5).is_empty()
