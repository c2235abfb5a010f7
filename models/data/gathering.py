"""Batches from the arrays of an example store: a few vectorised passes, no Python per row."""

import numpy as np
import torch
from jaxtyping import Int, Int32, Int64
from torch import Tensor

from models.data.batch import JaggedHistory


def jagged_events(
    start: Int[np.ndarray, " B"], end: Int[np.ndarray, " B"]
) -> tuple[Int64[np.ndarray, " T"], Int64[np.ndarray, " B1"]]:
    """Return the events of all windows ``start`` … ``end`` - 1 in a row, and where each starts."""
    lengths = end.astype(np.int64) - start
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    events = np.arange(offsets[-1])
    events += np.repeat(start - offsets[:-1], lengths)
    return events, offsets


def jagged_history(
    items: Int32[np.ndarray, " E"],
    times: Int32[np.ndarray, " E"],
    now: Int32[np.ndarray, " B"],
    start: Int[np.ndarray, " B"],
    end: Int[np.ndarray, " B"],
) -> JaggedHistory:
    """Return the histories of a batch as tensors.

    Args:
        items: Item code of every event.
        times: Its time.
        now: Time of each impression, on the same scale.
        start: First event of each history.
        end: One past its last event.
    """
    events, offsets = jagged_events(start, end)

    def ages() -> Int[Tensor, " T"]:
        return torch.from_numpy(np.repeat(now, np.diff(offsets)) - times.take(events))

    return JaggedHistory(torch.from_numpy(items.take(events)), torch.from_numpy(offsets), ages)
