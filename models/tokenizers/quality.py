"""What codes mean: labels shared under a code, and neighbours that reconstructions keep."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float, Int, Shaped

NEIGHBOURS = 10
QUERIES = 1000
CANDIDATES = 20_000


def item_labels(
    items: pl.DataFrame, fields: Sequence[str], item_ids: pl.Series
) -> pl.Series | None:
    """Return the first categorical field of the given items, null where they are not in the table.

    Args:
        items: Items table.
        fields: Its categorical columns; ``None`` is returned where there are none.
        item_ids: The items.
    """
    if not fields:
        return None
    known = items.select("item_id", pl.col(fields[0]).alias("label"))
    wanted = pl.DataFrame({"item_id": item_ids})
    return wanted.join(known, on="item_id", how="left", maintain_order="left")["label"]


def cohort_purity(codes: Int[np.ndarray, "N K"], labels: pl.Series) -> list[float | None]:
    """Return how probably an item and another that shares its codes have the same label.

    One number for the whole catalogue (what chance gives), one for the same first code, one for the
    same first two, and so on. The item itself is not counted, so small groups do not look pure by
    themselves; ``None`` where no two items share the codes.

    Args:
        codes: Codes of every item, the collision code left out.
        labels: A label of each, for example its category; items without are left out.
    """
    known = labels.is_not_null().to_numpy()
    names, kept = labels.filter(labels.is_not_null()).cast(pl.String), codes[known]
    _, label = np.unique(names.to_numpy(), return_inverse=True)
    return [_same_label(kept[:, :level], label) for level in range(codes.shape[1] + 1)]


def _same_label(prefix: Int[np.ndarray, "N k"], label: Int[np.ndarray, " N"]) -> float | None:
    together = _group_sizes(prefix) - 1
    alike = _group_sizes(np.column_stack([prefix, label])) - 1
    shared = together > 0
    return float((alike[shared] / together[shared]).mean()) if shared.any() else None


def _group_sizes(rows: Int[np.ndarray, "N k"]) -> Int[np.ndarray, " N"]:
    """Return, per row, how many rows are equal to it."""
    if not rows.shape[1]:
        return np.full(len(rows), len(rows))
    _, group, sizes = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return sizes[group.reshape(-1)]


def neighbour_recall(
    values: Float[np.ndarray, "N D"], reconstruction: Float[np.ndarray, "N D"]
) -> float | None:
    """Return recall@10: of an item's ten nearest, the share that are nearest by reconstruction too.

    Euclidean, among evenly spaced rows where there are more than `CANDIDATES`, for `QUERIES` of
    them. ``None`` with fewer than twelve items.
    """
    rows = _spread(len(values), CANDIDATES)
    if len(rows) < NEIGHBOURS + 2:
        return None
    queries = _spread(len(rows), QUERIES)
    truth = _nearest(values[rows], queries)
    found = _nearest(reconstruction[rows], queries)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True)]
    return float(np.mean(hits) / NEIGHBOURS)


def _spread(total: int, most: int) -> Int[np.ndarray, " M"]:
    return np.unique(np.linspace(0, total - 1, min(total, most)).astype(np.int64))


def _nearest(
    values: Shaped[np.ndarray, "N D"], queries: Int[np.ndarray, " Q"]
) -> Int[np.ndarray, "Q n"]:
    """Return each query's nearest rows, itself not counted."""
    values = values.astype(np.float32)
    distance = (values**2).sum(axis=1) - 2 * values[queries] @ values.T
    distance[np.arange(len(queries)), queries] = np.inf
    return np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
