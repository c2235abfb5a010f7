from collections import defaultdict

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizers.collisions import code_groups, collision_codes, repaired_codes

CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(CODES, st.randoms())
def test_collision_codes_rank_equal_codes_by_item_id(rows, random):
    ids = list(range(100, 100 + len(rows)))
    random.shuffle(ids)
    ranks = collision_codes(pl.Series(ids), np.array(rows))
    groups = defaultdict(list)
    for item, codes, rank in zip(ids, rows, ranks.tolist(), strict=True):
        groups[codes].append((item, rank))
    for members in groups.values():
        assert [rank for _, rank in sorted(members)] == list(range(len(members)))


@given(CODES, st.integers(0, 40))
def test_old_items_keep_their_collision_codes_and_new_ones_take_free_ones(rows, known):
    known = min(known, len(rows))
    codes = np.array(rows)
    ids = pl.Series(range(len(rows), 0, -1))  # new items have the lower ids
    old = collision_codes(ids[:known], codes[:known]) if known else np.zeros(0, np.int64)
    kept = np.concatenate([old, np.full(len(rows) - known, -1)])
    ranks = collision_codes(ids, codes, kept)
    assert ranks[:known].tolist() == old.tolist()
    assert len({(*row, rank) for row, rank in zip(rows, ranks.tolist(), strict=True)}) == len(rows)


def test_groups_count_the_items_of_each_code_tuple():
    group, sizes = code_groups(np.array([[1, 2], [0, 0], [1, 2]]))
    assert group[0] == group[2] != group[1]
    assert sorted(sizes.tolist()) == [1, 2]


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(2, 12))
def test_repair_moves_items_to_free_codes_and_leaves_the_best_fitting_where_it_is(seed, items, v):
    random = np.random.default_rng(seed)
    codebook, residual = random.normal(size=(v, 3)), random.normal(size=(items, 3))
    last = ((residual[:, None] - codebook) ** 2).sum(axis=2).argmin(axis=1)
    codes = np.stack([random.integers(0, 3, items), last], axis=1)
    repaired = repaired_codes(codes, residual, codebook, np.arange(items))
    assert (repaired[:, 0] == codes[:, 0]).all()
    for prefix in range(3):
        here = codes[:, 0] == prefix
        assert len(set(repaired[here, 1])) == min(here.sum(), max(v, 0)) or here.sum() > v
        if 0 < here.sum() <= v:
            assert len(set(repaired[here, 1])) == here.sum()
    distance = ((residual - codebook[last]) ** 2).sum(axis=1)
    for codes_tuple in {tuple(row) for row in codes.tolist()}:
        members = np.flatnonzero((codes == codes_tuple).all(axis=1))
        best = members[distance[members].argmin()]
        assert tuple(repaired[best]) == codes_tuple
