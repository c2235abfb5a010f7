"""Items → embeddings folder: only what is new or changed is encoded, a killed run goes on."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from tqdm import tqdm

from models.artifacts import Scalar
from models.data.schema import DatasetSpec
from models.encoders.base import Encoder, EncoderIdentity
from models.encoders.config import EncoderConfig
from models.encoders.contents import ItemContents, item_contents
from models.encoders.embeddings import (
    IDENTITY_FILE,
    QUARANTINE_FILE,
    ItemEmbeddings,
    write_embeddings,
)
from models.encoders.registry import ENCODERS
from models.encoders.reuse import previous_vectors
from models.encoders.shards import Shards
from models.errors import EncoderError
from models.files import write_text
from models.settings import digest, parse_settings


def load_encoder(config: EncoderConfig) -> Encoder:
    """Return the encoder that ``config`` names, its weights loaded.

    Raises:
        UnknownNameError: no encoder has that name.
        ConfigError: a setting is wrong.
        EncoderError: the weights are missing or not whole.
    """
    kind = ENCODERS[config.encoder]
    settings = parse_settings(kind.settings_type, config.settings, f"encoder {config.encoder}")
    return kind.load(settings)


def embed_items(
    items: pl.DataFrame,
    spec: DatasetSpec,
    config: EncoderConfig,
    folder: Path,
    *,
    previous: Path | None = None,
    images_root: Path | None = None,
    work_folder: Path | None = None,
) -> dict[str, Scalar]:
    """Encode ``items`` into ``folder`` and return counts.

    Writes embeddings.safetensors (float32, L2-normalised), items.parquet (item_id,
    content_hash), encoder.json and quarantine.json. Items with nothing to encode are left out;
    items whose image cannot be used are encoded by their text; both are listed in
    quarantine.json.

    Args:
        items: Items table.
        spec: Names the text columns.
        config: The encoder.
        folder: Receives the files.
        previous: An older embeddings folder; its vectors are taken over where encoder and content
            are the same.
        images_root: What ``image_path`` is relative to.
        work_folder: Keeps the shards of a run until it ends; by default beside ``folder``.

    Raises:
        EncoderError: weights or items cannot be used.
    """
    started = time.perf_counter()
    encoder = load_encoder(config)
    contents = item_contents(items, spec.item_text, config, encoder, images_root)
    known = previous_vectors(previous, encoder.identity)
    reused = len(known.keys() & set(contents.hashes))
    place = work_folder or folder.parent / f".encoding-{digest([encoder.identity.hash])[:16]}"
    shards = Shards(place, config.shard_items)
    encoded = _encode_missing(encoder, contents, known, shards)
    embeddings, hashes = _assemble(contents, {**known, **encoded}, encoder.identity)
    write_embeddings(embeddings, hashes, folder)
    write_text(folder / IDENTITY_FILE, encoder.identity.model_dump_json(indent=2) + "\n")
    write_text(folder / QUARANTINE_FILE, json.dumps(contents.quarantine, indent=2) + "\n")
    shards.remove()
    return {
        "items": len(items),
        "embedded": len(hashes),
        "encoded": len(encoded),
        "reused": reused,
        "resumed": shards.resumed,
        "left_out": len(items) - len(hashes),
        "images_quarantined": contents.num_bad_images,
        "dim": encoder.identity.dim,
        "dtype": encoder.identity.dtype,
        "encoder_hash": encoder.identity.hash,
        "seconds": round(time.perf_counter() - started, 2),
    }


def _encode_missing(
    encoder: Encoder,
    contents: ItemContents,
    known: dict[str, Float[np.ndarray, " D"]],
    shards: Shards,
) -> dict[str, Float[np.ndarray, " D"]]:
    """Return a vector per content hash that is not known yet; equal contents are encoded once.

    Shards hold items of similar length, and depend on the items alone: a resumed run computes the
    same batches, and so the same bits, as an undisturbed one.
    """
    missing = {
        key: item
        for key, item in zip(contents.hashes, contents.items, strict=True)
        if key not in known
    }
    order = sorted(missing, key=lambda key: (-len(missing[key].text), key))
    result: dict[str, Float[np.ndarray, " D"]] = {}
    hidden = not sys.stderr.isatty()
    with tqdm(total=len(order), desc="embed items", unit="item", disable=hidden) as bar:
        for keys in shards.split(order):
            vectors = shards.read(keys)
            if vectors is None:
                vectors = encoder.encode([missing[key] for key in keys], bar.update)
                _check_finite(vectors, encoder)
                shards.write(keys, vectors)
            else:
                bar.update(len(keys))
            result.update(zip(keys, vectors, strict=True))
    return result


def _check_finite(vectors: Float[np.ndarray, "N D"], encoder: Encoder) -> None:
    if not np.isfinite(vectors).all():
        raise EncoderError(
            f"{int((~np.isfinite(vectors)).any(axis=1).sum())} embeddings are not finite.",
            where=f"encoder {encoder.identity.encoder}, model {encoder.identity.model}",
            do="Set dtype: float32 in the encoder settings, or check the weights.",
        )


def _assemble(
    contents: ItemContents,
    vectors: dict[str, Float[np.ndarray, " D"]],
    identity: EncoderIdentity,
) -> tuple[ItemEmbeddings, list[str]]:
    values = np.stack([vectors[key] for key in contents.hashes]).astype(np.float32)
    if values.shape[1] != identity.dim:
        raise EncoderError(
            f"The encoder returned {values.shape[1]} values per item.",
            where=f"encoder {identity.encoder}",
            allowed=str(identity.dim),
        )
    return ItemEmbeddings(item_ids=contents.item_ids, values=values), contents.hashes
