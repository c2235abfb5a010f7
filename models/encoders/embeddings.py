"""The embedding matrix of a catalogue, and its folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from safetensors.numpy import load_file, save_file

from models.errors import CorruptArtifactError, EncoderError

EMBEDDINGS_FILE = "embeddings.safetensors"
ITEMS_FILE = "items.parquet"
IDENTITY_FILE = "encoder.json"
QUARANTINE_FILE = "quarantine.json"


@dataclass(frozen=True)
class ItemEmbeddings:
    """L2-normalised content embeddings; row i belongs to ``item_ids[i]``."""

    item_ids: pl.Series
    values: Float[np.ndarray, "N D"]

    def aligned(self, item_ids: pl.Series) -> Float[np.ndarray, "M D"]:
        """Return one row per given id; zeros where the id is null or has no embedding.

        Args:
            item_ids: For example an example store's code → id series, whose codes 0 and 1 are null.

        Raises:
            EncoderError: the ids are of another type than the embedded ones.
        """
        known = self.item_ids
        if item_ids.dtype != known.dtype and item_ids.null_count() < item_ids.len():
            raise EncoderError(
                f"Item ids of type {item_ids.dtype} cannot be found among {known.dtype} ids.",
                where="item embeddings",
                allowed=str(known.dtype),
                do="Embed the same catalogue that the examples were built from.",
            )
        rows = pl.DataFrame({"id": known, "row": np.arange(known.len())})
        wanted = pl.DataFrame({"id": item_ids.cast(known.dtype)})
        found = wanted.join(rows, on="id", how="left", maintain_order="left")["row"]
        positions = found.fill_null(-1).to_numpy()
        aligned = np.zeros((item_ids.len(), self.values.shape[1]), np.float32)
        present = positions >= 0
        aligned[present] = self.values[positions[present]]
        return aligned


def write_embeddings(embeddings: ItemEmbeddings, content_hashes: list[str], folder: Path) -> None:
    """Write the matrix and, row by row, the items it belongs to."""
    save_file(
        {"embeddings": np.ascontiguousarray(embeddings.values)}, str(folder / EMBEDDINGS_FILE)
    )
    pl.DataFrame(
        {"item_id": embeddings.item_ids, "content_hash": pl.Series(content_hashes, dtype=pl.Utf8)}
    ).write_parquet(folder / ITEMS_FILE)


def load_embeddings(folder: Path) -> ItemEmbeddings:
    """Return the embeddings in ``folder``.

    Raises:
        CorruptArtifactError: a file is missing or unreadable, or the two disagree.
    """
    try:
        values = load_file(str(folder / EMBEDDINGS_FILE))["embeddings"]
        items = pl.read_parquet(folder / ITEMS_FILE)
        item_ids = items["item_id"]
    except Exception as error:
        raise CorruptArtifactError(
            f"The item embeddings cannot be read: {str(error).splitlines()[0]}",
            where=str(folder),
            do="Run embed_items again.",
        ) from None
    if len(items) != len(values):
        raise CorruptArtifactError(
            f"{len(values)} embeddings for {len(items)} items.",
            where=str(folder),
            do="Run embed_items again.",
        )
    return ItemEmbeddings(item_ids=item_ids, values=values)
