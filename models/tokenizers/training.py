"""Training a tokenizer into a folder, and loading it again."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from models.artifacts import Scalar
from models.tokenizers.config import TokenizerConfig


def train_tokenizer(
    values: Float[np.ndarray, "N D"], config: TokenizerConfig, folder: Path, *, seed: int
) -> dict[str, Scalar]:
    """Train the tokenizer that ``config`` names."""
    raise NotImplementedError
