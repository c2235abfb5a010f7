"""The user's own embedding matrix, checked and normalised."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from models.artifacts import file_hash
from models.encoders.base import Advance, EncoderIdentity, ItemContent
from models.errors import EncoderError
from models.settings import Settings

FORMS = ".parquet (item_id, embedding), .safetensors or .npy with a file of ids"


class PrecomputedSettings(Settings):
    """Settings of `Precomputed`.

    Attributes:
        path: A parquet file with an id column and a list column, or a matrix as .npy or
            .safetensors (one tensor).
        ids: For a matrix: a parquet or CSV file whose id column names its rows, in order.
        id_column: Name of the id column.
        embedding_column: Name of the list column of a parquet file.
    """

    path: Path
    ids: Path | None = None
    id_column: str = "item_id"
    embedding_column: str = "embedding"


class Precomputed:
    """Looks every item up in the user's matrix; an item that is not there is left out."""

    settings_type: ClassVar[type[PrecomputedSettings]] = PrecomputedSettings
    uses_images: ClassVar[bool] = False

    def __init__(
        self, rows: dict[str, int], values: Float[np.ndarray, "N D"], identity: EncoderIdentity
    ) -> None:
        self._rows, self._values, self._identity = rows, values, identity

    @classmethod
    def load(cls, settings: PrecomputedSettings) -> Self:
        """Return the encoder over the user's matrix.

        Raises:
            EncoderError: a file is missing or unreadable; ids and rows disagree in number; an id
                stands twice; a vector is of another width, all zero or not finite.
        """
        path = settings.path.expanduser()
        ids, values = _read(path, settings)
        _check(ids, values, path)
        norms = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
        identity = EncoderIdentity(
            encoder="precomputed",
            model=path.name,
            weights=file_hash(path),
            pooling="none",
            dim=values.shape[1],
            dtype="float32",
            settings={"ids": file_hash(settings.ids.expanduser()) if settings.ids else None},
        )
        rows = {item: row for row, item in enumerate(ids.cast(pl.Utf8).to_list())}
        return cls(rows, (values / norms).astype(np.float32), identity)

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the item's id; ``None`` where the matrix lacks it."""
        return str(item.item_id) if str(item.item_id) in self._rows else None

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return the row of every item."""
        advance(len(items))
        return self._values[[self._rows[str(item.item_id)] for item in items]]


def _read(path: Path, settings: PrecomputedSettings) -> tuple[pl.Series, Float[np.ndarray, "N D"]]:
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            ids, column = frame[settings.id_column], frame[settings.embedding_column]
            return ids, _stack(column, path)
        matrix = _read_matrix(path)
        ids = _read_ids(path, settings)
    except (OSError, ValueError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise EncoderError(
            f"The embedding matrix cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            allowed=FORMS,
            do="Correct the file, or settings.path, id_column and embedding_column.",
        ) from None
    if matrix.ndim != 2 or len(ids) != len(matrix):
        raise EncoderError(
            f"A matrix of shape {matrix.shape} for {len(ids)} ids.",
            where=str(path),
            allowed="one row per id",
            do="Give ids and matrix of the same length.",
        )
    return ids, matrix


def _read_matrix(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.suffix!r} is no known form")
    tensors = load_file(str(path))
    if len(tensors) != 1:
        raise ValueError(f"the file holds {len(tensors)} tensors, not one")
    return next(iter(tensors.values()))


def _read_ids(path: Path, settings: PrecomputedSettings) -> pl.Series:
    if settings.ids is None:
        raise EncoderError(
            "A matrix without ids cannot be matched to items.",
            where=str(path),
            allowed=FORMS,
            do="Set settings.ids to a parquet or CSV file that names the rows in order.",
        )
    ids = settings.ids.expanduser()
    frame = pl.read_parquet(ids) if ids.suffix == ".parquet" else pl.read_csv(ids)
    return frame[settings.id_column]


def _stack(column: pl.Series, path: Path) -> Float[np.ndarray, "N D"]:
    """Return a list column as a matrix, or raise `EncoderError` naming the rows that differ."""
    lists = column.cast(pl.List(pl.Float32))
    widths = lists.list.len().fill_null(0)
    width = int(widths.mode().sort()[-1]) if len(widths) else 0
    wrong = [row for row, other in enumerate(widths.to_list()) if other != width]
    if wrong or width == 0:
        raise EncoderError(
            f"{len(wrong)} vectors are not {width} wide, first in row {wrong[0] if wrong else 0}.",
            where=str(path),
            allowed="vectors of one width",
            do="Write all vectors with the same model.",
        )
    return lists.explode().to_numpy().reshape(-1, width)


def _check(ids: pl.Series, values: np.ndarray, path: Path) -> None:
    finite = np.isfinite(values).all(axis=1)
    wrong = {
        "are null": ids.is_null().to_numpy(),
        "stand twice": (ids.is_duplicated() & ids.is_not_null()).to_numpy(),
        "have values that are not finite": ~finite,
        "are all zero": finite & ~np.any(values, axis=1),
    }
    for problem, rows in wrong.items():
        if rows.any():
            five = ids.filter(pl.Series(rows)).head(5).to_list()
            raise EncoderError(
                f"{int(rows.sum())} rows {problem}, for example of the ids {five}.",
                where=str(path),
                allowed="one finite, non-zero vector per id",
                do="Correct or remove the rows; items without a vector are left out and reported.",
            )
