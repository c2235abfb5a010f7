import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.ordering import bucketed, epoch_order


def test_the_order_is_a_permutation_that_differs_by_seed_stage_and_epoch() -> None:
    rows = np.arange(100, 400)
    orders = [epoch_order(rows, *key) for key in ((0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 1, 0))]
    assert np.array_equal(orders[0], orders[1])
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[3])


@settings(max_examples=60)
@given(st.integers(0, 300), st.integers(1, 17), st.integers(1, 9), st.integers(0, 5))
def test_bucketing_keeps_every_row_and_is_the_same_every_time(
    rows: int, size: int, batches: int, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(rows)
    lengths = order % 13
    first, second = (bucketed(order, lengths, size, batches, (seed, 0, 1)) for _ in range(2))
    assert np.array_equal(first, second)
    assert sorted(first) == list(range(rows))


def test_bucketed_batches_hold_less_padding_in_no_order_of_length() -> None:
    size = 64
    length = np.random.default_rng(0).geometric(0.05, 10_000)
    order = np.random.default_rng(1).permutation(10_000)
    widths = []
    for batches in (1, 50):
        rows = bucketed(order, length[order], size, batches, (0, 0, 0))
        widths.append(np.array([length[rows[i : i + size]].max() for i in range(0, 10_000, size)]))
    assert widths[1].sum() < 0.5 * widths[0].sum()
    assert abs(np.corrcoef(widths[1], np.arange(len(widths[1])))[0, 1]) < 0.3


@pytest.mark.parametrize("rows", [130, 128])
def test_a_batch_that_is_not_full_is_the_last_and_of_random_rows(rows: int) -> None:
    order = np.arange(rows)
    arranged = bucketed(order, order, 16, 3, (0, 0, 0))
    batches = [arranged[i : i + 16] for i in range(0, rows, 16)]
    assert all(np.ptp(batch) <= 16 + rows % 16 for batch in batches[: rows // 16])
    assert len(batches[-1]) == (rows % 16 or 16)
