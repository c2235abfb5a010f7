"""Batches of similar length, so that little is computed on padding."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def token_budget_batches(lengths: Sequence[int], budget: int) -> list[Int[np.ndarray, " rows"]]:
    """Return the rows of each batch: longest first, rows times longest row at most ``budget``.

    A row longer than the budget is a batch of its own. Longest first shows a lack of memory at
    once, not at the end.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    while start < order.size:
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches
