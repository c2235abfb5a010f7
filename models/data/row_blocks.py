"""Passes over the columns of a log a block of rows at a time, and sorts by counting.

A temporary column as long as the log is fresh memory every time, which the system clears page by
page; that costs more than what is computed with it, and the more, the longer the log is. The
temporaries of a block are small enough to stay where they are, and mostly in the cache.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64, Shaped

BLOCK_ROWS = 1 << 18
MAX_ROWS = 2**31 - 1
"""Rows are counted in 31 bits: half the memory and half the traffic."""
_DIGIT = 16  # bits: numbers of so many are sorted by counting


def row_blocks(size: int) -> Iterator[slice]:
    """Yield the rows 0 … ``size`` - 1 in order, in blocks."""
    for start in range(0, size, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, size))


def look_up(
    table: Shaped[np.ndarray, " V"],
    codes: Int[np.ndarray, " N"],
    into: Shaped[np.ndarray, " N"] | None = None,
) -> Shaped[np.ndarray, " N"]:
    """Return ``table[codes]``, in ``into`` where it is given."""
    found = np.empty(len(codes), dtype=table.dtype) if into is None else into
    for rows in row_blocks(len(codes)):
        found[rows] = table[codes[rows]]
    return found


def count(
    codes: Int[np.ndarray, " N"], counted: Bool[np.ndarray, " N"], size: int
) -> Int64[np.ndarray, " V"]:
    """Return how many of the ``counted`` rows have each of the codes 0 … ``size`` - 1."""
    counts = np.zeros(size, dtype=np.int64)
    for rows in row_blocks(len(codes)):
        counts += np.bincount(codes[rows][counted[rows]], minlength=size)
    return counts


def stable_order(keys: Int[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    """Return the order of whole numbers from 0 on, equal ones as they stand.

    Sorts by counting, 16 bits at a time: the time is proportional to the rows.
    """
    order = np.argsort(keys.astype(np.uint16), kind="stable")  # the lowest bits
    for shift in range(_DIGIT, int(keys.max(initial=0)).bit_length(), _DIGIT):
        digits = (keys[order] >> shift).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
    return order


def pieces(group: Int[np.ndarray, " N"]) -> Iterator[tuple[int, Int64[np.ndarray, " R"]]]:
    """Yield each group there is, ascending, and the places of its rows in their order."""
    order = stable_order(group)
    sorted_group = group[order]
    starts = np.flatnonzero(np.diff(sorted_group, prepend=-1))
    for start, end in pairwise([*starts, len(order)]):
        yield int(sorted_group[start]), order[start:end]


class RowGroups:
    """The rows of each group in the order they came, without a sort of all rows.

    Args:
        num_groups: Groups are 0 … ``num_groups`` - 1.
    """

    def __init__(self, num_groups: int) -> None:
        self._rows: list[list[Int32[np.ndarray, " R"]]] = [[] for _ in range(num_groups)]

    def add(self, group: Int[np.ndarray, " R"], rows: Int[np.ndarray, " R"]) -> None:
        """Put rows into their groups."""
        for number, places in pieces(group):
            self._rows[number].append(rows[places].astype(np.int32))

    def take(self, group: int) -> Int32[np.ndarray, " R"]:
        """Return the rows of a group, and forget them."""
        found, self._rows[group] = self._rows[group], []
        return np.concatenate([np.empty(0, dtype=np.int32), *found])
