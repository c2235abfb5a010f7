"""MovieLens (Harper and Konstan, ACM TiiS 2015), as GroupLens packs it.

Ratings above 3 are positive, below 3 negative, and 3 itself is dropped (GenCI 3.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from models.data.datasets.rawfiles import convert, read_table
from models.data.schema import DatasetSpec
from models.data.tables import Tables
from models.errors import MissingDataError
from models.settings import Settings

_COLUMNS = ("userId", "movieId", "rating", "timestamp")
_YEAR = r"\((\d{4})\)\s*$"


class MovieLensSettings(Settings):
    """Settings of the MovieLens adapter.

    Attributes:
        path: Folder of the unpacked download, from the project root.
        layout: The edition's file layout; ``auto`` recognises it by its files.
        positive_above: Ratings above this are positive.
        negative_below: Ratings below this are negative; those in between are dropped.
    """

    path: str = "data/movielens-latest-small"
    layout: Literal["auto", "latest-small"] = "auto"
    positive_above: float = Field(3, ge=0, le=5)
    negative_below: float = Field(3, ge=0, le=5)


@dataclass(frozen=True)
class Layout:
    """Where an edition keeps what; an entry of `LAYOUTS` is all a new edition with headers needs.

    Attributes:
        ratings: File of ratings.
        movies: File of titles and genres.
        separator: Between the cells of a line.
        genres_separator: Between the genres of a film.
    """

    ratings: str
    movies: str
    separator: str = ","
    genres_separator: str = "|"


LAYOUTS: Mapping[str, Layout] = {
    # also the layout of 20M, 25M and the full "latest"
    "latest-small": Layout(ratings="ratings.csv", movies="movies.csv"),
}


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
        layout = _find_layout(folder, settings.layout)
        ratings = read_table(folder / layout.ratings, _COLUMNS, separator=layout.separator)
        movies = read_table(
            folder / layout.movies, ("movieId", "title", "genres"), separator=layout.separator
        )
        impressions, rated = _impressions(ratings, str(folder / layout.ratings), settings)
        positives = impressions.filter(pl.col("label") == 1)
        spec = DatasetSpec(
            name=folder.name,
            item_text=("title", "genres"),
            item_fields=("main_genre",),
            item_numeric=("year",),
            facts={
                "ratings_read": rated,
                "ratings_dropped_as_neutral": rated - impressions.height,
                "positives": positives.height,
                "negatives": impressions.height - positives.height,
            },
        )
        return Tables(
            spec=spec,
            items=_items(movies, str(folder / layout.movies), layout),
            users=impressions.select(pl.col("user_id").unique().sort()),
            impressions=impressions,
            behaviours=positives.select(
                "user_id", "item_id", "timestamp", kind=pl.lit("rating", dtype=pl.String)
            ),
        )


def _find_layout(folder: Path, name: str) -> Layout:
    wanted = LAYOUTS if name == "auto" else {name: LAYOUTS[name]}
    found = {
        key: [file for file in (layout.ratings, layout.movies) if (folder / file).is_file()]
        for key, layout in wanted.items()
    }
    best = max(found, key=lambda key: len(found[key]))
    if len(found[best]) == 2:
        return LAYOUTS[best]
    if found[best]:
        layout = LAYOUTS[best]
        lacking = layout.movies if found[best] == [layout.ratings] else layout.ratings
        raise MissingDataError(
            f"The download is not all there: {found[best][0]} is, {lacking} is not.",
            where=str(folder),
            allowed=f"{layout.ratings} and {layout.movies}",
            do="Unpack the whole archive again, or run: dvc pull",
        )
    raise MissingDataError(
        "There is no MovieLens data set here"
        + (": the folder does not exist." if not folder.is_dir() else "."),
        where=str(folder),
        allowed="; ".join(
            f"{key}: {layout.ratings} and {layout.movies}" for key, layout in wanted.items()
        ),
        do="Set settings.path to the unpacked folder, or fetch the pinned data: dvc pull",
    )


def _impressions(
    ratings: pl.DataFrame, where: str, settings: MovieLensSettings
) -> tuple[pl.DataFrame, int]:
    """Return the kept ratings as impressions, and how many ratings there were."""
    typed = ratings.select(
        user_id=convert(ratings["userId"], pl.Int64, where),
        item_id=convert(ratings["movieId"], pl.Int64, where),
        timestamp=convert(ratings["timestamp"], pl.Int64, where),
        rating=convert(ratings["rating"], pl.Float64, where),
    )
    liked = pl.col("rating") > settings.positive_above
    kept = (
        typed.with_row_index("impression_id")
        .filter(liked | (pl.col("rating") < settings.negative_below))
        .select(
            pl.col("impression_id").cast(pl.Int64),
            pl.lit(None, dtype=pl.Int64).alias("request_id"),
            "user_id",
            "item_id",
            "timestamp",
            liked.cast(pl.Int8).alias("label"),
            pl.lit(None, dtype=pl.Int64).alias("trigger_item_id"),
        )
    )
    return kept, typed.height


def _items(movies: pl.DataFrame, where: str, layout: Layout) -> pl.DataFrame:
    listed = pl.col("genres").str.split(layout.genres_separator)
    none = pl.col("genres").is_null() | (pl.col("genres") == "(no genres listed)")
    return movies.select(
        item_id=convert(movies["movieId"], pl.Int64, where),
        title=pl.col("title").str.strip_chars(),
        genres=pl.when(none).then(pl.lit("")).otherwise(listed.list.join(", ")),
        main_genre=pl.when(~none).then(listed.list.first()),
        year=pl.col("title").str.extract(_YEAR).cast(pl.Int64),
    ).sort("item_id")
