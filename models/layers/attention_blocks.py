"""How the jagged histories of a batch are cut into blocks of like length that fit a cache."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


class Block(NamedTuple):
    """Impressions ``first`` … ``last`` - 1 in order of length, their keys padded to ``width``."""

    first: int
    last: int
    width: int
    start: int  # of its keys in `Plan.key_row`

    @property
    def rows(self) -> slice:
        """The block's places in `Plan.order`."""
        return slice(self.first, self.last)

    @property
    def places(self) -> slice:
        """The block's places in `Plan.key_row`."""
        return slice(self.start, self.start + (self.last - self.first) * self.width)


class Plan(NamedTuple):
    """The blocks of a batch.

    Attributes:
        order: Rows that have keys, shortest first.
        key_row: Row of the table at each place of each block; ``padding`` where there is no key.
        padding: One past the last row of the table.
        blocks: The blocks.
    """

    order: Int[Tensor, " R"]
    key_row: Int[Tensor, " P"]
    padding: int
    blocks: list[Block]

    def within(self, share: slice) -> list[Block]:
        """Return the blocks whose keys begin in a share of the places of `key_row`."""
        return [block for block in self.blocks if share.start <= block.start < share.stop]


def make_plan(
    offsets: Int[Tensor, " B1"],
    index: Int[Tensor, " T"],
    padding: int,
    *,
    rows: int,
    overhead: int,
    limit: int,
) -> Plan:
    """Return the blocks of a batch.

    Args:
        offsets: Row ``i`` has the keys ``offsets[i]`` … ``offsets[i + 1]`` - 1; two bounds alone
            are those of every row.
        index: Row of the table that each key is.
        padding: Number of rows of the table.
        rows: Number of rows of the batch.
        overhead: Places a row costs besides its keys.
        limit: Places a block may have; it has one row at least.
    """
    bounds = offsets.cpu().numpy()
    starts, lengths = (np.broadcast_to(part, rows) for part in (bounds[:-1], np.diff(bounds)))
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 0, side="right") :]
    sizes = lengths[order]
    widths, blocks = np.empty_like(sizes), list[Block]()
    first = start = 0
    while first < len(order):
        last = _end(sizes, first, overhead, limit)
        blocks.append(Block(first, last, int(sizes[last - 1]), start))
        widths[first:last] = blocks[-1].width
        first, start = last, blocks[-1].places.stop
    within = np.arange(start) - np.repeat(np.cumsum(widths) - widths, widths)
    key = within + np.repeat(starts[order], widths)
    key[within >= np.repeat(sizes, widths)] = len(index)
    padded = torch.cat([index, index.new_full((1,), padding)])
    chosen = padded.index_select(0, torch.from_numpy(key).to(index.device))
    return Plan(torch.from_numpy(order).to(index.device), chosen, padding, blocks)


def _end(sizes: Int[np.ndarray, " R"], first: int, overhead: int, limit: int) -> int:
    """Return where the block that starts at ``first`` ends; ``sizes`` ascend."""
    rows = max(1, limit // (int(sizes[first]) + overhead))
    while True:
        last = min(first + rows, len(sizes))
        fitting = max(1, limit // (int(sizes[last - 1]) + overhead))
        if last - first <= fitting:
            return last
        rows = max(fitting, rows // 2)
