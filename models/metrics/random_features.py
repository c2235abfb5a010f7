"""Random Fourier features: a Gaussian kernel as a plain inner product, so that means suffice."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_PAIRS = 2000


@dataclass(frozen=True)
class RandomFeatures:
    """Features whose inner product is about a Gaussian kernel (Rahimi and Recht, NeurIPS 2007).

    Attributes:
        directions: Random frequencies.
    """

    directions: Float[ndarray, "D H"]

    @classmethod
    def fit(
        cls, vectors: Float[ndarray, "N D"], *, features: int = 256, seed: int = 0
    ) -> "RandomFeatures":
        """Return features of the kernel as wide as the median distance between the vectors.

        Args:
            vectors: The reference's vectors, one a row or one an item.
            features: Even number of features.
            seed: Draws the frequencies and the pairs that the width is read from.
        """
        generator = np.random.default_rng(seed)
        pairs = generator.integers(0, len(vectors), (2, _PAIRS))
        apart = np.linalg.norm(vectors[pairs[0]] - vectors[pairs[1]], axis=1)
        width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
        directions = generator.normal(size=(vectors.shape[1], features // 2)) / width
        return cls(directions.astype(np.float32))

    def transform(self, vectors: Float[ndarray, "N D"]) -> Float[ndarray, "N F"]:
        """Return the features of each vector; their squared length is 1."""
        phases = vectors.astype(np.float32) @ self.directions
        both = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
        return both / np.sqrt(np.float32(self.directions.shape[1]))
