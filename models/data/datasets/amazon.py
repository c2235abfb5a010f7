"""Amazon reviews of 2014, 2018 and 2023 (McAuley et al.): products are items, reviews impressions.

Two protocols: every review is positive and negatives are sampled (DIN 6.1, TIN A.1), or ratings
above 3 are positive and the others negative (GenCI 3.1).
"""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, PositiveInt, model_validator

from models.data.datasets.amazon_layouts import find_download, read_reviews
from models.data.datasets.amazon_products import read_products
from models.data.datasets.cells import with_tallies
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.data.datasets.k_core import k_core_of
from models.data.schema import DatasetSpec, Fact
from models.data.tables import Tables
from models.settings import Settings


class AmazonSettings(Settings):
    """Settings of the Amazon adapter.

    Attributes:
        path: Folder of the files, from the project root.
        category: The category as the files are named: ``Electronics``, ``Video_Games`` …
        edition: ``2014`` and ``2018`` (JSON lines), ``2023`` (JSON lines) or ``2023-csv`` (the
            ready 5-core files, whole or divided by leave-last-out); ``auto`` goes by the files.
        core: Users and items with fewer reviews are left out, repeatedly; 1 keeps all.
        positive_above: Ratings above this are positive; null = every review is.
        negative_below: Ratings below this are negative, those in between dropped; null = all
            that are not positive.
        same_time: ``order`` puts a user's reviews of one second (of one day, before 2023) one
            second apart, in the order of the file, so that each sees the earlier ones; ``together``
            leaves them out of one another's histories.
        dirty_rows: What to do with reviews that cannot be read.
    """

    path: str = "data/amazon"
    category: str = Field(min_length=1)
    edition: Literal["auto", "2014", "2018", "2023", "2023-csv"] = "auto"
    core: PositiveInt = 5
    positive_above: float | None = Field(None, ge=0, le=5)
    negative_below: float | None = Field(None, ge=0, le=5)
    same_time: Literal["order", "together"] = "order"
    dirty_rows: DirtyRows = DirtyRows()

    @model_validator(mode="after")
    def _rule_is_whole(self) -> "AmazonSettings":
        above, below = self.positive_above, self.negative_below
        if below is not None and (above is None or below > above):
            raise ValueError("negative_below needs positive_above, and cannot exceed it")
        return self


class Amazon:
    """Reads one category of the Amazon reviews into canonical tables."""

    settings_type = AmazonSettings

    @staticmethod
    def load(settings: AmazonSettings, root: Path) -> Tables:
        """Return the tables of the files at ``settings.path``.

        Raises:
            MissingDataError: the folder is wrong, or the download in it is not all there.
            DataError: a file is not what it should be, with the line named.
        """
        folder, category = root / settings.path, settings.category
        edition = None if settings.edition == "auto" else settings.edition
        download = find_download(folder, category, edition)
        tally = Tally("impressions", settings.dirty_rows)
        everything = read_reviews(download, tally)
        core = k_core_of(everything, settings.core)
        impressions = _impressions(_in_order(core, settings.same_time), settings)
        items = read_products(download, core["item_id"].unique())
        positives = impressions.filter(pl.col("label") == 1)
        facts: dict[str, Fact] = {
            "edition": download.edition,
            "reviews_outside_the_core": everything.height - core.height,
            "reviews_dropped_as_neutral": core.height - impressions.height,
            "positives": positives.height,
            "negatives": impressions.height - positives.height,
            "items_without_title": int((items["title"] == items["item_id"]).sum()),
        }
        tables = Tables(
            spec=DatasetSpec(
                name=f"amazon-{download.edition[:4]}-{category.lower().replace('_', '-')}",
                item_text=("title", "categories"),
                item_fields=("category", "brand"),
                item_numeric=("price",),
                facts=facts,
            ),
            items=items,
            users=core.select(pl.col("user_id").unique().sort()),
            impressions=impressions,
            behaviours=positives.select(
                "user_id", "item_id", "timestamp", kind=pl.lit("review", dtype=pl.String)
            ),
        )
        return with_tallies(tables, [tally])


def _in_order(reviews: pl.DataFrame, same_time: Literal["order", "together"]) -> pl.DataFrame:
    """Return the reviews in order of time, a user's at different times if asked for.

    The i-th time becomes the latest of ``t_j + (i - j)``: no earlier than it was, and later than
    all before it.
    """
    ordered = reviews.sort("timestamp", "row")
    if same_time == "together":
        return ordered
    place = pl.int_range(pl.len()).over("user_id")
    return ordered.with_columns(
        (pl.col("timestamp") - place).cum_max().over("user_id") + place
    ).sort("timestamp", "row")


def _impressions(reviews: pl.DataFrame, settings: AmazonSettings) -> pl.DataFrame:
    """Return the reviews as impressions, numbered in order of time."""
    above, below = settings.positive_above, settings.negative_below
    positive = pl.lit(True) if above is None else pl.col("rating") > above
    kept = pl.lit(True) if below is None else positive | (pl.col("rating") < below)
    return (
        reviews.with_columns(pl.int_range(pl.len()).alias("impression_id"))
        .filter(kept)
        .select(
            "impression_id",
            pl.lit(None, dtype=pl.Int64).alias("request_id"),
            "user_id",
            "item_id",
            "timestamp",
            positive.cast(pl.Int8).alias("label"),
            pl.lit(None, dtype=pl.String).alias("trigger_item_id"),
        )
    )
