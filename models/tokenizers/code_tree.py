"""The valid semantic IDs as a tree, for decoding that can only end at an item (GenCI 2.2.2).

The codes are sorted once. A node is a prefix that some item has; the children of node i of one
depth are a contiguous range of the nodes of the next, so a whole tree is two arrays a level.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from models.errors import TokenizerError
from models.tokenizers.semantic_ids import SemanticIds

DENSE_CELLS = 1 << 26
FEWEST_DENSE = 64


@dataclass(frozen=True)
class TreeLevel:
    """The nodes of one depth, and the codes that lead on from them.

    Attributes:
        size: Number V of codes that stand at this place of an ID.
        starts: First child of each node, and the end of the last one's.
        codes: Code that leads to each child; ascending inside a node.
        packed: node * V + code of each child, ascending: where a child is found.
        closed: Row of each node: which codes lead nowhere. ``None`` where there are so few codes,
            or so many nodes, that the children alone are looked at.
    """

    size: int
    starts: Int64[Tensor, " nodes1"]
    codes: Int64[Tensor, " children"]
    packed: Int64[Tensor, " children"]
    closed: Bool[Tensor, "nodes V"] | None

    def to(self, device: torch.device) -> "TreeLevel":
        """Return the level on ``device``."""
        closed = None if self.closed is None else self.closed.to(device)
        starts, codes, packed = (t.to(device) for t in (self.starts, self.codes, self.packed))
        return TreeLevel(self.size, starts, codes, packed, closed)


@dataclass(frozen=True)
class CodeTree:
    """All valid IDs, one level a code.

    Attributes:
        levels: From the first code to the collision code.
        rows: Row of the table of semantic IDs that each leaf stands for.
    """

    levels: tuple[TreeLevel, ...]
    rows: Int64[Tensor, " N"]

    @classmethod
    def of(cls, semantic_ids: SemanticIds) -> "CodeTree":
        """Return the tree of a table of semantic IDs; leaves are rows of its ``table``."""
        sizes = [semantic_ids.num_codes] * semantic_ids.levels + [semantic_ids.collision_codes]
        return cls.build(semantic_ids.codes, sizes)

    @classmethod
    def build(cls, codes: Int[np.ndarray, "N K1"], sizes: list[int]) -> "CodeTree":
        """Return the tree of the given IDs.

        Args:
            codes: One row per item.
            sizes: Number of codes that can stand at each place.

        Raises:
            TokenizerError: there is no ID, two are equal, or a code is out of its range.
        """
        _check(codes, sizes)
        order = np.lexsort(codes.T[::-1])
        ranked = codes[order].astype(np.int64)
        fresh = np.zeros(len(codes), bool)  # where a prefix differs from the one before
        fresh[0] = True
        node = np.zeros(len(codes), np.int64)
        levels = []
        for column, size in zip(ranked.T, sizes, strict=True):
            fresh[1:] |= column[1:] != column[:-1]
            first = np.flatnonzero(fresh)
            levels.append(_level(node[first], column[first], size))
            node = np.cumsum(fresh) - 1
        if not fresh.all():
            raise TokenizerError(
                f"{int((~fresh).sum())} items have the same codes as another.",
                where="semantic IDs",
                allowed="IDs that differ, the collision code included",
                do="Run assign_semantic_ids again.",
            )
        return cls(tuple(levels), torch.from_numpy(order.astype(np.int64)))

    @property
    def device(self) -> torch.device:
        """Where the tree lies."""
        return self.rows.device

    def to(self, device: torch.device | str) -> "CodeTree":
        """Return the tree on ``device``."""
        place = torch.device(device)
        return CodeTree(tuple(level.to(place) for level in self.levels), self.rows.to(place))


def _level(
    parents: Int[np.ndarray, " children"], codes: Int[np.ndarray, " children"], size: int
) -> TreeLevel:
    nodes = int(parents[-1]) + 1
    starts = np.searchsorted(parents, np.arange(nodes + 1)).astype(np.int64)
    closed = None
    if size >= FEWEST_DENSE and nodes * size <= DENSE_CELLS:
        closed = np.ones((nodes, size), bool)
        closed[parents, codes] = False
    return TreeLevel(
        size,
        torch.from_numpy(starts),
        torch.from_numpy(np.ascontiguousarray(codes)),
        torch.from_numpy(parents * size + codes),
        None if closed is None else torch.from_numpy(closed),
    )


def _check(codes: Int[np.ndarray, "N K1"], sizes: list[int]) -> None:
    if not len(codes) or codes.shape[1] != len(sizes):
        raise TokenizerError(
            f"The codes have shape {codes.shape}.",
            where="semantic IDs",
            allowed=f"(items, {len(sizes)}), one item at least",
        )
    low, high = codes.min(axis=0), codes.max(axis=0)
    if (low < 0).any() or (high >= np.array(sizes)).any():
        raise TokenizerError(
            f"The codes reach from {low.tolist()} to {high.tolist()}.",
            where="semantic IDs",
            allowed=f"0 to below {sizes}",
        )
