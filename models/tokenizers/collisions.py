"""Items with equal codes: told apart by a last code, and, if asked for, moved apart."""

import numpy as np
import polars as pl
from jaxtyping import Float, Int


def code_groups(
    codes: Int[np.ndarray, "N K"],
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " groups"]]:
    """Return the group of every item, items with equal codes sharing one, and the group sizes."""
    _, group, sizes = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return group.reshape(-1), sizes


def collision_codes(
    item_ids: pl.Series,
    codes: Int[np.ndarray, "N K"],
    kept: Int[np.ndarray, " N"] | None = None,
) -> Int[np.ndarray, " N"]:
    """Return every item's rank by id among the items with its codes: 0 where there is no other.

    Args:
        item_ids: Ids of the items.
        codes: Their codes.
        kept: Collision code that an item already has and keeps, -1 where it has none; new items
            then take the least numbers that are free, by id.
    """
    group, _ = code_groups(codes)
    kept = np.full(len(codes), -1) if kept is None else kept
    taken: dict[int, set[int]] = {}
    for row in np.flatnonzero(kept >= 0):
        taken.setdefault(int(group[row]), set()).add(int(kept[row]))
    result = kept.copy()
    following: dict[int, int] = {}
    for row in item_ids.arg_sort().to_list():
        if result[row] >= 0:
            continue
        place = int(group[row])
        rank = following.get(place, 0)
        while rank in taken.get(place, ()):
            rank += 1
        result[row], following[place] = rank, rank + 1
    return result.astype(np.int64)


def repaired_codes(
    codes: Int[np.ndarray, "N K"],
    residual: Float[np.ndarray, "N d"],
    codebook: Float[np.ndarray, "V d"],
    order: Int[np.ndarray, " N"],
) -> Int[np.ndarray, "N K"]:
    """Return the codes after moving colliding items to their nearest free last-level code.

    The item nearest to the codeword keeps it. An item stays where it is if all V are taken.

    Args:
        codes: Codes of every item.
        residual: What the levels before the last left over.
        codebook: The last level's.
        order: Rows in the order of their ids, which decides ties.
    """
    result = codes.copy()
    taken = {tuple(row) for row in codes.tolist()}
    group, sizes = code_groups(codes)
    colliding = order[sizes[group[order]] > 1]
    distance = ((residual - codebook[codes[:, -1]]) ** 2).sum(axis=1)
    sequence = np.arange(len(colliding))
    colliding = colliding[np.lexsort((sequence, distance[colliding], group[colliding]))]
    first = np.diff(group[colliding], prepend=-1) != 0
    for row in colliding[~first]:
        prefix = tuple(result[row, :-1].tolist())
        for code in np.argsort(((codebook - residual[row]) ** 2).sum(axis=1), kind="stable"):
            if (*prefix, int(code)) not in taken:
                taken.add((*prefix, int(code)))
                result[row, -1] = code
                break
    return result
