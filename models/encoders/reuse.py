"""Vectors of an earlier embeddings folder that are still valid."""

from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from pydantic import ValidationError

from models.encoders.base import EncoderIdentity
from models.encoders.embeddings import IDENTITY_FILE, ITEMS_FILE, load_embeddings
from models.errors import CorruptArtifactError


def previous_vectors(
    previous: Path | None, identity: EncoderIdentity
) -> dict[str, Float[np.ndarray, " D"]]:
    """Return content hash → vector of ``previous``; nothing where another encoder made it.

    An earlier folder only saves time: one that cannot be read is not used, and not an error.
    """
    if previous is None:
        return {}
    try:
        text = (previous / IDENTITY_FILE).read_text(encoding="utf-8")
        if EncoderIdentity.model_validate_json(text) != identity:
            return {}
        hashes = pl.read_parquet(previous / ITEMS_FILE)["content_hash"].to_list()
        values = load_embeddings(previous).values
    except (OSError, ValidationError, CorruptArtifactError, pl.exceptions.PolarsError):
        return {}
    if values.shape[1] != identity.dim or not np.isfinite(values).all():
        return {}
    return dict(zip(hashes, values, strict=True))
