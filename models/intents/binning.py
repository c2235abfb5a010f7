"""Cosine → intent level: the one definition that labels, DAIAN and serving share (DAIAN 4.1, 12).

The cosine is taken between mean-centred content: embeddings of one catalogue share a large common
direction, and with it nearly all pairs would fall into one or two levels.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.errors import DataError

PERCENTILES = (0.5, 99.5)


def centre_content(
    content: Float[Tensor, "*batch C"], mean: Float[Tensor, " C"]
) -> Float[Tensor, "*batch C"]:
    """Return the content less its mean, L2-normalised; an all-zero row (no content) stays zero."""
    present = content.abs().sum(-1, keepdim=True) > 0
    centred = torch.where(present, content - mean, content)
    return torch.nn.functional.normalize(centred, dim=-1)


def cosine(
    left: Float[Tensor, "*batch C"], right: Float[Tensor, "*batch C"]
) -> Float[Tensor, "*batch"]:
    """Return the cosine of rows that `centre_content` returned; 0 where either has no content."""
    return (left * right).sum(-1)


def similarity_level(
    similarity: Float[Tensor, "*batch"], edges: Float[Tensor, " edges"]
) -> Int[Tensor, "*batch"]:
    """Return the level 0 … n-1 of each cosine: level i holds edges[i-1] < cosine ≤ edges[i].

    Args:
        similarity: Cosines of centred content.
        edges: The n-1 inner edges, ascending; what lies beyond them is in an outermost level.
    """
    return torch.bucketize(similarity.contiguous(), edges)


def fit_range(
    similarity: Float[np.ndarray, " pairs"], kind: Literal["raw", "minmax", "percentile"]
) -> tuple[float, float]:
    """Return the least and the greatest cosine that the levels divide.

    Raises:
        DataError: all pairs have the same cosine, so there is nothing to divide.
    """
    if kind == "raw" or similarity.size == 0:
        return -1.0, 1.0
    low, high = np.percentile(similarity, (0.0, 100.0) if kind == "minmax" else PERCENTILES)
    if not high - low > 1e-6:
        raise DataError(
            f"All trigger–target pairs have the cosine {low:.4f}: intent levels cannot be told.",
            where="item embeddings of the train impressions",
            allowed="at least two different similarities",
            do="Check that items have different texts, or set range: raw in the intent settings.",
        )
    return float(low), float(high)


def inner_edges(low: float, high: float, levels: int) -> Float[np.ndarray, " edges"]:
    """Return the edges between ``levels`` equal-width levels of [low, high]."""
    return np.linspace(low, high, levels + 1)[1:-1].astype(np.float32)
