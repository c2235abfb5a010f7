import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.encoders.batching import token_budget_batches


@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 1000))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    batches = token_budget_batches(lengths, budget)
    rows = np.concatenate([*batches, np.zeros(0, np.int64)])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget
    longest_of = [max(lengths[row] for row in batch) for batch in batches]
    assert longest_of == sorted(longest_of, reverse=True)
