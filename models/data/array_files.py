""".npy files written piece by piece and read block by block, never mapped.

A mapped file counts as memory of the process as far as it was touched; these do not.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from models.errors import CorruptArtifactError


class ArrayWriter:
    """Writes a one-dimensional ``.npy`` file whose length is known beforehand.

    Args:
        path: The file.
        dtype: Of its elements.
        length: How many there will be.
    """

    def __init__(self, path: Path, dtype: str, length: int) -> None:
        self._dtype = np.dtype(dtype)
        self._left = length
        self._path = path
        self._file: BinaryIO = path.open("wb")
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, values: Shaped[np.ndarray, " N"]) -> None:
        """Write the next elements."""
        self._left -= len(values)
        self._file.write(np.ascontiguousarray(values, self._dtype).data)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None and self._left:
            raise CorruptArtifactError(
                f"{self._path.name} lacks {self._left} of its elements.",
                where=str(self._path),
                do="The tables changed while they were read; build the store again.",
            )


def blocks(
    path: Path, length: int, *, start: int = 0, size: int = 1 << 22
) -> Iterator[tuple[int, Shaped[np.ndarray, " N"]]]:
    """Yield (index of its first element, elements) of ``start`` … ``length`` in pieces."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        _, _, dtype = read(file) if version == (1, 0) else np.lib.format.read_array_header_2_0(file)
        file.seek(start * dtype.itemsize, 1)
        for first in range(start, length, size):
            count = min(size, length - first)
            yield first, np.fromfile(file, dtype, count)
