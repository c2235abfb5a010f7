"""Rows dealt out to threads, each of which takes its share through many operations.

PyTorch wakes its threads for every single operation, which on a virtual machine takes a few tenths
of a millisecond: longer than most operations of a training step. Here they are woken once for a
whole stretch of work, each runs its operations alone, and only where there is enough to do.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

import torch

LEAST_WORK = 40_000_000
"""Multiplications of a share that are worth waking a thread for."""

_set_aside: ContextVar[int | None] = ContextVar("threads for shares of rows", default=None)
Found = TypeVar("Found")


@contextmanager
def single_operations(wanted: bool = True) -> Iterator[None]:
    """Run each operation inside on one thread; rows in shares still have all threads there are.

    Args:
        wanted: ``False`` changes nothing.
    """
    threads = torch.get_num_threads()
    if threads == 1 or not wanted:
        yield
        return
    token = _set_aside.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _set_aside.reset(token)


def threads_for_shares() -> int:
    """Return how many threads there are for shares, `single_operations` or not."""
    return _set_aside.get() or torch.get_num_threads()


def in_shares(work: Callable[[slice], Found], rows: int, row_work: int) -> list[Found]:
    """Return what ``work`` gives for each share of the rows, in their order.

    Shares are of about equal size, and how many there are depends on the rows and the number of
    threads alone, so that equal input gives equal bits. The results are tensors of the caller:
    gradients are not recorded.

    Args:
        work: Does the work of a stretch of rows. It must not touch what another share writes.
        rows: Number of rows.
        row_work: Multiplications a row.
    """
    threads = threads_for_shares()
    count = max(1, min(threads, rows, rows * row_work // LEAST_WORK))
    size = -(-rows // count)
    shares = [slice(start, min(start + size, rows)) for start in range(0, rows, size or 1)]
    first, *others = shares or [slice(0, 0)]
    inference = torch.is_inference_mode_enabled()

    def elsewhere(share: slice) -> Found:
        with torch.inference_mode(inference), torch.no_grad():  # both are a thread's own
            return work(share)

    with single_operations():
        waiting = [_helpers(os.getpid(), threads - 1).submit(elsewhere, one) for one in others]
        return [work(first), *(one.result() for one in waiting)]


@lru_cache(maxsize=4)
def _helpers(process: int, count: int) -> ThreadPoolExecutor:
    """Return the threads that help this process: those of the one it was forked from are gone."""
    return ThreadPoolExecutor(count, f"shares-{process}", lambda: torch.set_num_threads(1))
