"""Requests as numbers: 0, 1, 2 … by first appearance among the rows."""

import numpy as np
from jaxtyping import Int, Int32, Int64


def numbered(first: Int[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
    """Return the number of each row's request, given the first row of that request."""
    begins = first == np.arange(len(first), dtype=first.dtype)
    return (np.cumsum(begins, dtype=np.int32) - np.int32(1))[first]


def renumber(requests: Int32[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
    """Return contiguous numbers for some rows of numbered requests."""
    row = np.arange(len(requests), dtype=np.int32)
    first = np.zeros(int(requests.max(initial=-1)) + 1, dtype=np.int32)
    first[requests[::-1]] = row[::-1]  # of equal numbers the last assignment stays: the first row
    return numbered(first[requests])


def first_rows(requests: Int32[np.ndarray, " N"]) -> Int64[np.ndarray, " R"]:
    """Return the first row of each request."""
    return np.flatnonzero(np.diff(np.maximum.accumulate(requests), prepend=-1))
