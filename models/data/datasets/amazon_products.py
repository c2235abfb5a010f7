"""The products of the Amazon reviews, from the metadata of each edition."""

import ast
import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import polars as pl

from models.data.datasets.amazon_layouts import Download, Edition, scan_json_lines
from models.data.datasets.formats import named_faults, open_unpacked
from models.errors import DataError

_ASIN = re.compile(r"""['"]asin['"]: ?['"]([^'"]+)['"]""")
_PRICE = r"^\$?\s*(\d[\d,]*(?:\.\d+)?)"
_LONGEST_NAME = 60  # a longer "category" is a sentence that lost its place (2018)
_LONGEST_LINE = 4_000_000
_SCHEMA = {
    "item_id": pl.String(),
    "title": pl.String(),
    "brand": pl.String(),
    "path": pl.List(pl.String()),
    "price": pl.String(),
}
_KEYS: dict[Edition, tuple[str, ...]] = {  # in the order of the schema
    "2018": ("asin", "title", "brand", "category", "price"),
    "2023": ("parent_asin", "title", "store", "categories", "price"),
}


def read_products(download: Download, wanted: pl.Series) -> pl.DataFrame:
    """Return a row for each ``wanted`` product: item_id, title, categories, category, brand, price.

    ``categories`` is the whole path as text, ``category`` its last part. A product without metadata
    has its own id as title and nothing else.

    Raises:
        DataError: a line cannot be read; it is named.
    """
    if download.edition == "2014":
        raw = pl.DataFrame(_products_2014(download.meta, set(wanted)), schema=_SCHEMA, orient="row")
    else:
        keys = _KEYS["2018" if download.edition == "2018" else "2023"]
        types = dict(zip(keys, _SCHEMA.values(), strict=True))
        scan = scan_json_lines(download.meta, types).rename(dict(zip(keys, _SCHEMA, strict=True)))
        with named_faults(download.meta):
            raw = scan.filter(pl.col("item_id").is_in(wanted.implode())).collect(engine="streaming")
    first = raw.unique("item_id", keep="first", maintain_order=True)  # 2018 repeats some
    known = wanted.alias("item_id").to_frame().join(first, on="item_id", how="left")
    return known.sort("item_id").select(_columns())


def _columns() -> list[pl.Expr]:
    part = pl.element().str.strip_chars()
    named = part.filter(
        (part.str.len_chars() <= _LONGEST_NAME)
        & ~part.str.contains("<", literal=True)
        & (part != "")
    )
    path = pl.col("path").list.eval(named)
    title = _text("title")
    return [
        pl.col("item_id"),
        pl.when(title != "").then(title).otherwise("item_id").alias("title"),
        path.list.join(" > ").fill_null("").alias("categories"),
        path.list.last().alias("category"),
        pl.when(_text("brand") != "").then(_text("brand")).alias("brand"),
        pl.col("price")
        .str.extract(_PRICE)
        .str.replace_all(",", "")
        .cast(pl.Float64)
        .alias("price"),
    ]


def _text(column: str) -> pl.Expr:
    """Return a text without markup, which some titles and brands of 2018 hold."""
    text = pl.col(column).str.strip_chars().fill_null("")
    return pl.when(text.str.contains("<", literal=True)).then(pl.lit("")).otherwise(text)


def _products_2014(path: Path, wanted: set[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the wanted products of a file of Python literals, as the edition of 2014 has them.

    A line is read by ``ast.literal_eval``, which builds values and runs nothing, and only if it
    is of a wanted product: the file is ten times as long as what a 5-core needs of it.
    """
    with named_faults(path), TextIOWrapper(open_unpacked(path), encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            asin = _ASIN.search(line)
            if line.strip() and (asin is None or asin.group(1) in wanted):
                yield _product_2014(line, f"{path}, line {number}")


def _product_2014(line: str, where: str) -> tuple[Any, ...]:
    try:
        if len(line) > _LONGEST_LINE:
            raise ValueError("the line is too long")
        product = json.loads(line) if line.startswith('{"') else ast.literal_eval(line)
        paths = product.get("categories") or [[]]
        price = product.get("price")
        return (
            product["asin"],
            product.get("title"),
            product.get("brand"),
            paths[-1],  # of several, DIN and TIN read the last
            None if price is None else str(price),
        )
    except (
        ValueError,
        SyntaxError,
        KeyError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise DataError(
            f"The line is no product: {type(error).__name__}: {error}",
            where=where,
            allowed="a Python or JSON dictionary with the key 'asin'",
            do="Download the file again.",
        ) from None
