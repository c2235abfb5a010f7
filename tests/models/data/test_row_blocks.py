"""Blocks of rows change nothing: every pass gives what one over whole columns gives."""

import numpy as np
import polars as pl
import pytest

from models.data import draft, row_blocks
from models.data.codes import FIRST, codes_of
from models.data.request_index import first_rows, numbered
from models.data.row_blocks import RowGroups, count, look_up, stable_order

ROWS = 1000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "BLOCK_ROWS", 37)


@pytest.mark.parametrize("highest", [1, 255, 65_535, 65_536, 2**31 - 1])
def test_counting_sort_is_the_stable_order(highest: int) -> None:
    keys = np.random.default_rng(0).integers(0, highest + 1, ROWS) // 3
    assert stable_order(keys).tolist() == np.argsort(keys, kind="stable").tolist()
    assert not len(stable_order(keys[:0]))


def test_rows_come_back_by_group_in_their_order() -> None:
    group = np.random.default_rng(1).integers(0, 5, ROWS)
    groups = RowGroups(6)
    for rows in row_blocks.row_blocks(ROWS):
        groups.add(group[rows], np.arange(rows.start, rows.stop))
    groups.add(group[:0], np.arange(0))
    for number in range(6):
        assert groups.take(number).tolist() == np.flatnonzero(group == number).tolist()
        assert not len(groups.take(number))


def test_values_are_looked_up_and_counted_as_over_whole_columns() -> None:
    rng = np.random.default_rng(2)
    codes, counted = rng.integers(0, 7, ROWS).astype(np.int32), rng.random(ROWS) < 0.5
    table = np.arange(7) * 10
    into = np.zeros((ROWS, 2), dtype=np.int32)
    look_up(table, codes, into=into[:, 1])
    assert look_up(table, codes).tolist() == into[:, 1].tolist() == (codes * 10).tolist()
    assert count(codes, counted, 9).tolist() == np.bincount(codes[counted], minlength=9).tolist()


def test_requests_that_come_again_blocks_later_keep_their_number() -> None:
    request = np.random.default_rng(3).integers(0, 200, ROWS)
    _, first, inverse = np.unique(request, return_index=True, return_inverse=True)
    numbers = numbered(first[inverse])
    assert numbers.tolist() == [sorted(first).index(row) for row in first[inverse]]
    assert first_rows(numbers).tolist() == sorted(first)


def test_histories_that_reach_over_blocks_of_events_are_covered(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(draft, "EVENTS_OF_A_BLOCK", 8)
    np.save(tmp_path / "events.npy", np.arange(40, dtype=np.int32))
    starts, ends = np.array([3, 5, 5, 12, 32, 40]), np.array([4, 5, 21, 14, 40, 40])
    windows = RowGroups(40 // 8 + 1)
    windows.add(starts // 8, np.arange(6))
    marked = np.zeros(40, dtype=bool)
    histories = (starts.astype(np.int32), ends.astype(np.int32))
    draft._mark_covered(tmp_path / "events.npy", histories, windows, 40, marked)
    assert np.flatnonzero(marked).tolist() == [3, *range(5, 21), *range(32, 40)]


def test_few_and_many_texts_have_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    column, known = pl.Series(["b", None, "x", "a", "b"]), pl.Series(["a", "b"])
    few = codes_of(column, known)
    monkeypatch.setattr("models.data.codes._FEW_TEXTS", 1)
    assert few.tolist() == codes_of(column, known).tolist() == [FIRST + 1, 0, 1, FIRST, FIRST + 1]
