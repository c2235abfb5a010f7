"""Finished parts of an encoding run, kept on disk until the whole is written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.files import write_bytes
from models.settings import digest


class Shards:
    """Reads and writes shards, each named by the hash of the contents it covers.

    Args:
        folder: Where they are kept; made with the first shard.
        items: Items of a shard.
    """

    def __init__(self, folder: Path, items: int) -> None:
        self._folder, self._items = folder, items
        self.resumed = 0

    def split(self, keys: list[str]) -> Iterator[list[str]]:
        """Return the keys of each shard."""
        for start in range(0, len(keys), self._items):
            yield keys[start : start + self._items]

    def read(self, keys: list[str]) -> Float[np.ndarray, "N D"] | None:
        """Return the vectors of a shard that an earlier run finished, else ``None``."""
        try:
            vectors = load(self._path(keys).read_bytes())["vectors"]
        except (OSError, SafetensorError, KeyError):
            return None
        if len(vectors) != len(keys):
            return None
        self.resumed += len(keys)
        return vectors

    def write(self, keys: list[str], vectors: Float[np.ndarray, "N D"]) -> None:
        """Put a finished shard on disk, atomically."""
        write_bytes(self._path(keys), save({"vectors": np.ascontiguousarray(vectors)}))

    def remove(self) -> None:
        """Delete all shards, once the whole is written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, keys: list[str]) -> Path:
        return self._folder / f"{digest(keys)}.safetensors"
