"""Requests as numbers: 0, 1, 2 … by first appearance among the rows."""

import numpy as np
from jaxtyping import Int, Int32, Int64

from models.data.row_blocks import row_blocks


def numbered(first: Int[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
    """Return the number of each row's request, given the first row of that request."""
    numbers, known = np.empty(len(first), dtype=np.int32), -1
    for rows in row_blocks(len(first)):
        own = first[rows]
        begins = own == np.arange(rows.start, rows.stop)
        numbers[rows] = np.cumsum(begins, dtype=np.int32) + np.int32(known)
        known = int(numbers[rows.stop - 1])
        numbers[rows] = numbers[own]  # a first row is no later one, and has its number already
    return numbers


def renumber(requests: Int32[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
    """Return contiguous numbers for some rows of numbered requests."""
    row = np.arange(len(requests), dtype=np.int32)
    first = np.zeros(int(requests.max(initial=-1)) + 1, dtype=np.int32)
    first[requests[::-1]] = row[::-1]  # of equal numbers the last assignment stays: the first row
    return numbered(first[requests])


def first_rows(requests: Int32[np.ndarray, " N"]) -> Int64[np.ndarray, " R"]:
    """Return the first row of each request."""
    found, known = [np.empty(0, dtype=np.int64)], -1
    for rows in row_blocks(len(requests)):
        highest = np.maximum(np.maximum.accumulate(requests[rows]), np.int32(known))
        found.append(np.flatnonzero(np.diff(highest, prepend=np.int32(known))) + rows.start)
        known = int(highest[-1])
    return np.concatenate(found)
