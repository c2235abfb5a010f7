"""What is to be encoded of every item, and what cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.encoders.base import Encoder, ItemContent
from models.encoders.config import EncoderConfig
from models.encoders.images import CheckedImage, check_image
from models.encoders.text import item_texts
from models.errors import EncoderError
from models.settings import digest


@dataclass(frozen=True)
class ItemContents:
    """The items that can be encoded, row by row, and a record of the others.

    Attributes:
        item_ids: Ids of the items that can be encoded.
        items: Their contents.
        hashes: SHA-256 of encoder and content; the same hash means the same embedding.
        quarantine: One record per problem: item_id, problem, fallback.
        num_bad_images: Items whose image is not used.
    """

    item_ids: pl.Series
    items: list[ItemContent]
    hashes: list[str]
    quarantine: list[dict[str, int | str]]
    num_bad_images: int


def item_contents(
    items: pl.DataFrame,
    text_columns: tuple[str, ...],
    config: EncoderConfig,
    encoder: Encoder,
    images_root: Path | None,
) -> ItemContents:
    """Return what ``encoder`` is to encode.

    Raises:
        EncoderError: an id is null or stands twice, or nothing can be encoded.
    """
    _check_ids(items)
    ids = items["item_id"].to_list()
    images = _images(items, encoder, images_root)
    contents = [
        ItemContent(item_id=item, text=text, image=image.path, image_hash=image.hash)
        for item, text, image in zip(
            ids, item_texts(items, text_columns, config), images, strict=True
        )
    ]
    keys = [encoder.key(content) for content in contents]
    kept = [row for row, key in enumerate(keys) if key is not None]
    if not kept:
        raise EncoderError(
            f"None of the {len(items)} items has content that the encoder can use.",
            where=f"items table, encoder {config.encoder}",
            allowed="text, or an image for an encoder of images, or a row in a precomputed matrix",
            do="Check the text template and the items' text columns.",
        )
    identity = encoder.identity.hash
    return ItemContents(
        item_ids=items["item_id"][kept],
        items=[contents[row] for row in kept],
        hashes=[digest([identity, keys[row]]) for row in kept],
        quarantine=_quarantine(ids, images, keys),
        num_bad_images=sum(image.problem is not None for image in images),
    )


def _check_ids(items: pl.DataFrame) -> None:
    ids = items["item_id"]
    for problem, wrong in (("null", ids.is_null()), ("not unique", ids.is_duplicated())):
        if wrong.any():
            five = ids.filter(wrong).head(5).to_list()
            raise EncoderError(
                f"{int(wrong.sum())} item ids are {problem}, for example {five}.",
                where="items table: item_id",
                allowed="one row per item",
                do="Remove the extra rows from the items.",
            )


def _images(items: pl.DataFrame, encoder: Encoder, images_root: Path | None) -> list[CheckedImage]:
    if not encoder.uses_images or images_root is None or "image_path" not in items.columns:
        return [CheckedImage()] * len(items)
    return [
        check_image(path, images_root) if path else CheckedImage()
        for path in items["image_path"].to_list()
    ]


def _quarantine(
    ids: Sequence[int | str], images: Sequence[CheckedImage], keys: Sequence[str | None]
) -> list[dict[str, int | str]]:
    records: list[dict[str, int | str]] = []
    for item, image, key in zip(ids, images, keys, strict=True):
        fallback = "left out" if key is None else "text only"
        if image.problem is not None:
            problem = f"image not used: {image.problem}"
            records.append({"item_id": item, "problem": problem, "fallback": fallback})
        elif key is None:
            records.append({"item_id": item, "problem": "nothing to encode", "fallback": fallback})
    return records
