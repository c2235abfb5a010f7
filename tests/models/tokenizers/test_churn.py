import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizers import churn as module
from models.tokenizers.churn import churn, matched_codes
from models.tokenizers.semantic_ids import SemanticIds


def ids(codes, items=None, levels=2, size=6):
    codes = np.asarray(codes)
    items = pl.Series("item_id", range(len(codes)) if items is None else items)
    return SemanticIds.create(
        items, codes, np.arange(len(codes)), np.zeros((levels, size, 1), np.float32), "h"
    )


@given(st.integers(0, 2**31), st.integers(1, 80))
def test_codes_that_were_only_renamed_have_not_changed(seed, items):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 6, (items, 2))
    renamed = np.stack([random.permutation(6)[column] for column in codes.T], axis=1)
    change = churn(ids(renamed), ids(codes))
    assert change.prefixes == (0.0, 0.0)
    assert change.items == items


def test_what_moved_is_counted_by_prefix():
    before = [[0, 0], [0, 0], [0, 1], [0, 1], [1, 2], [1, 2], [1, 3], [1, 3], [1, 3], [1, 3]]
    now = [[5, 4], [5, 4], [5, 3], [5, 3], [2, 1], [2, 1], [2, 0], [2, 0], [2, 1], [5, 0]]
    change = churn(ids(now), ids(before))
    assert change.first_code == pytest.approx(0.1)
    assert change.codes == pytest.approx(0.2)
    assert change.ids == 1.0


def test_only_items_of_both_tables_count():
    codes = [[0, 0], [1, 1], [2, 2]]
    change = churn(ids(codes, [1, 2, 3]), ids(codes[:2], [2, 9]))
    assert change.items == 1
    assert churn(ids(codes, [1, 2, 3]), ids(codes, [4, 5, 6])) is None
    assert churn(ids(codes, [1, 2, 3]), ids(codes, ["1", "2", "3"])) is None


def test_another_number_of_levels_is_another_id():
    change = churn(ids([[0, 0]]), ids([[0]], levels=1))
    assert (change.ids, change.first_code, change.codes) == (1.0, 1.0, 1.0)


def test_very_large_codebooks_are_matched_too(monkeypatch):
    random = np.random.default_rng(0)
    old = random.integers(0, 50, 2000)
    names = random.permutation(50)
    new = names[old]
    new[:20] = random.integers(0, 50, 20)
    best = matched_codes(old, new, 50)
    monkeypatch.setattr(module, "EXACT_CODES", 10)
    np.testing.assert_array_equal(matched_codes(old, new, 50), best)
    np.testing.assert_array_equal(best, names)
