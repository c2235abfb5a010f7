"""Items → semantic IDs."""

from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from jaxtyping import Float

from models.artifacts import Scalar


class EmbeddedItems(Protocol):
    """Item ids and their embeddings, row by row."""

    @property
    def item_ids(self) -> pl.Series:
        """Ids of the items."""
        ...

    @property
    def values(self) -> Float[np.ndarray, "N D"]:
        """Embedding of each item."""
        ...


def assign_semantic_ids(
    embeddings: EmbeddedItems, tokenizer_folder: Path, folder: Path
) -> dict[str, Scalar]:
    """Write the semantic IDs of the items into ``folder``."""
    raise NotImplementedError
