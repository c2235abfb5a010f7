"""How the editions of the Amazon reviews lay out their files, and the reviews in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from models.data.datasets.cells import Cell, Kind, typed_rows
from models.data.datasets.dirty_rows import Tally
from models.data.datasets.downloads import expect_files
from models.data.datasets.formats import Format, check_file, named_faults
from models.data.datasets.rawfiles import scan_table

Edition = Literal["2014", "2018", "2023", "2023-csv"]


@dataclass(frozen=True)
class Layout:
    """Where an edition keeps what; ``{}`` in a name stands for the category.

    Attributes:
        name: As messages call it.
        reviews: Sets of files that hold all reviews, in order of preference.
        meta: File of products.
        keys: Names of user, item, rating and time in a review.
        time: What the times are.
    """

    name: str
    reviews: tuple[tuple[str, ...], ...]
    meta: str
    keys: tuple[str, str, str, str]
    time: Kind

    @property
    def cells(self) -> dict[str, Cell]:
        """What the columns of a review are."""
        user, item, rating, time = self.keys
        return {
            "user_id": Cell(user, "text"),
            "item_id": Cell(item, "text"),
            "rating": Cell(rating, "number"),
            "timestamp": Cell(time, self.time),
        }


_OLD = ("reviewerID", "asin", "overall", "unixReviewTime")
_NEW = ("user_id", "parent_asin", "rating", "timestamp")
LAYOUTS: Mapping[Edition, Layout] = {
    "2014": Layout(
        "Amazon 2014",
        (("reviews_{}_5.json",), ("reviews_{}.json",)),
        "meta_{}.json",
        _OLD,
        "seconds",
    ),
    "2018": Layout(
        "Amazon 2018", (("{}_5.json",), ("{}.json",)), "meta_{}.json", _OLD, "seconds"
    ),
    "2023-csv": Layout(
        "Amazon 2023",
        (("{}.train.csv", "{}.valid.csv", "{}.test.csv"), ("{}.csv",)),
        "meta_{}.jsonl",
        _NEW,
        "milliseconds",
    ),
    "2023": Layout("Amazon 2023", (("{}.jsonl",),), "meta_{}.jsonl", _NEW, "milliseconds"),
}  # fmt: skip


@dataclass(frozen=True)
class Download:
    """The files of one category.

    Attributes:
        edition: Whose layout it has.
        reviews: Files of reviews, in order.
        meta: File of products.
    """

    edition: Edition
    reviews: tuple[Path, ...]
    meta: Path


def find_download(folder: Path, category: str, edition: Edition | None) -> Download:
    """Return the files of ``category`` in ``folder``, in the first layout that is all there.

    Raises:
        MissingDataError: the folder is wrong, or the download in it is not all there.
        DataError: a file is empty, a web page, or not what its name says.
    """
    candidates: list[tuple[Edition, list[str]]] = [
        (name, [each.format(category) for each in (*reviews, layout.meta)])
        for name, layout in LAYOUTS.items()
        if edition in (None, name)
        for reviews in layout.reviews
    ]
    there = [sum(_is_there(folder, file) for file in files) / len(files) for _, files in candidates]
    name, files = candidates[there.index(max(there))]
    found = expect_files(folder, files, layout=LAYOUTS[name].name, setting="settings.path")
    *reviews, meta = (found[file] for file in files)
    return Download(name, tuple(reviews), meta)


def read_reviews(download: Download, tally: Tally) -> pl.DataFrame:
    """Return the reviews of all files: row, user_id, item_id, rating, timestamp (seconds).

    Raises:
        SchemaError: a review lacks something, or a cell is not of its kind; the first is named.
        DataError: a file cannot be read.
    """
    cells = LAYOUTS[download.edition].cells
    frames = []
    for path in download.reviews:
        reviews = typed_rows(_scan(path, cells), path, cells, tally)
        with named_faults(path):
            frames.append(reviews.collect(engine="streaming"))
    return pl.concat(frames).with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"))


def _scan(path: Path, cells: Mapping[str, Cell]) -> pl.LazyFrame:
    names = [cell.source for cell in cells.values()]
    if Format.of(path).kind != "jsonl":
        return scan_table(path, names)
    types = (pl.String(), pl.String(), pl.Float64(), pl.Int64())
    return scan_json_lines(path, dict(zip(names, types, strict=True)))


def scan_json_lines(path: Path, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return a query over the given keys of JSON lines, null where a line lacks one.

    With the keys named, their types need not be guessed from the first lines, and the long texts
    of reviews are passed over.
    """
    check_file(path)
    with named_faults(path):
        return pl.scan_ndjson(path, schema=dict(schema))


def _is_there(folder: Path, name: str) -> bool:
    return any((folder / f"{name}{end}").is_file() for end in ("", ".gz", ".zst"))
