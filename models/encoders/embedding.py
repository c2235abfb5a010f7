"""Items → embeddings folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from models.artifacts import Scalar
from models.encoders.config import EncoderConfig

if TYPE_CHECKING:
    from models.data.schema import DatasetSpec


def embed_items(
    items: pl.DataFrame,
    spec: "DatasetSpec",
    config: EncoderConfig,
    folder: Path,
    *,
    previous: Path | None = None,
    images_root: Path | None = None,
    work_folder: Path | None = None,
) -> dict[str, Scalar]:
    """Encode the items into ``folder``."""
    raise NotImplementedError
