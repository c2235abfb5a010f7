"""MovieLens (Harper and Konstan, ACM TiiS 2015), as GroupLens packs it.

Ratings above 3 are positive, below 3 negative, and 3 itself is dropped (GenCI 3.1).
"""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from models.data.datasets.cells import typed_rows, usable, with_tallies
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.data.datasets.downloads import expect_files
from models.data.datasets.movielens_layouts import LAYOUTS, USER_FIELDS, Layout, find_layout
from models.data.datasets.rawfiles import convert, named_faults, scan_table
from models.data.schema import DatasetSpec
from models.data.tables import Tables
from models.settings import Settings

_YEAR = r"\((\d{4})\)\s*$"


class MovieLensSettings(Settings):
    """Settings of the MovieLens adapter.

    Attributes:
        path: Folder of the unpacked download, from the project root.
        layout: The edition's file layout; ``auto`` recognises it by its files. ``latest-small`` is
            that of ``20m``, 25M, 32M and the full latest too.
        positive_above: Ratings above this are positive.
        negative_below: Ratings below this are negative; those in between are dropped.
        dirty_rows: What to do with ratings that cannot be read.
    """

    path: str = "data/movielens-latest-small"
    layout: Literal["auto", "latest-small", "100k", "1m", "10m", "20m"] = "auto"
    positive_above: float = Field(3, ge=0, le=5)
    negative_below: float = Field(3, ge=0, le=5)
    dirty_rows: DirtyRows = DirtyRows()


class MovieLens:
    """Reads MovieLens into canonical tables: films are items, ratings impressions."""

    settings_type = MovieLensSettings

    @staticmethod
    def load(settings: MovieLensSettings, root: Path) -> Tables:
        """Return the tables of the download at ``settings.path``.

        Raises:
            MissingDataError: the folder is wrong, or the download in it is not all there.
            DataError: a file is not what it should be, with the line named.
        """
        folder = root / settings.path
        auto = settings.layout == "auto"
        layout = find_layout(folder) if auto else LAYOUTS[settings.layout]
        files = expect_files(folder, layout.files, layout=layout.name, setting="settings.path")
        tally = Tally("impressions", settings.dirty_rows)
        impressions = _impressions(files[layout.ratings], layout, settings, tally)
        positives = impressions.filter(pl.col("label") == 1)
        spec = DatasetSpec(
            name=folder.name,
            item_text=("title", "genres"),
            item_fields=("main_genre",),
            item_numeric=("year",),
            user_fields=USER_FIELDS if layout.users is not None else (),
            facts={
                "ratings_dropped_as_neutral": usable(tally) - impressions.height,
                "positives": positives.height,
                "negatives": impressions.height - positives.height,
            },
        )
        tables = Tables(
            spec=spec,
            items=_items(layout.films(files[layout.movies]), str(files[layout.movies])),
            users=_users(impressions, layout, files.get(layout.users or "")),
            impressions=impressions,
            behaviours=positives.select(
                "user_id", "item_id", "timestamp", kind=pl.lit("rating", dtype=pl.String)
            ),
        )
        return with_tallies(tables, [tally])


def _impressions(
    path: Path, layout: Layout, settings: MovieLensSettings, tally: Tally
) -> pl.DataFrame:
    """Return the kept ratings as impressions, numbered by their rows in the file."""
    needed = () if layout.columns else [cell.source for cell in layout.cells.values()]
    scan = scan_table(path, needed, separator=layout.separator, header=layout.columns)
    ratings = typed_rows(scan, path, layout.cells, tally)
    liked = pl.col("rating") > settings.positive_above
    kept = ratings.filter(liked | (pl.col("rating") < settings.negative_below)).select(
        pl.col("row").alias("impression_id"),
        pl.lit(None, dtype=pl.Int64).alias("request_id"),
        "user_id",
        "item_id",
        "timestamp",
        liked.cast(pl.Int8).alias("label"),
        pl.lit(None, dtype=pl.Int64).alias("trigger_item_id"),
    )
    with named_faults(path, separator=layout.separator):
        return kept.collect(engine="streaming")


def _users(impressions: pl.DataFrame, layout: Layout, path: Path | None) -> pl.DataFrame:
    """Return the users who rated, with their profiles where the edition has them."""
    users = impressions.select(pl.col("user_id").unique().sort())
    if path is None:
        return users
    people = layout.people(path)
    known = people.with_columns(convert(people["user_id"], pl.Int64, str(path)))
    return users.join(known, on="user_id", how="left", maintain_order="left")


def _items(films: pl.DataFrame, where: str) -> pl.DataFrame:
    return films.select(
        item_id=convert(films["item_id"], pl.Int64, where),
        title=pl.col("title").fill_null(""),
        genres=pl.col("genres").list.join(", ").fill_null(""),
        main_genre=pl.col("genres").list.first(),
        year=pl.col("title").str.extract(_YEAR).cast(pl.Int64),
    ).sort("item_id")
