"""Clicks on news of Globo.com (Moreira et al., DLRS 2018, arXiv:1808.00076): articles are items.

The log holds clicks only, so negatives are drawn; it has no triggers, so they are derived.
"""

from pathlib import Path

import polars as pl

from models.data.datasets.cells import Cell, typed_rows, usable, with_tallies
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.data.datasets.downloads import expect_files
from models.data.datasets.rawfiles import named_faults, read_table, scan_table
from models.data.schema import DatasetSpec, Fact
from models.data.tables import Tables
from models.errors import MissingDataError
from models.settings import Settings

_CLICKS = {
    "user_id": Cell("user_id", "whole"),
    "session": Cell("session_id", "whole"),
    "item_id": Cell("click_article_id", "whole"),
    "timestamp": Cell("click_timestamp", "milliseconds"),
    "environment": Cell("click_environment", "whole", required=False),
    "device": Cell("click_deviceGroup", "whole", required=False),
    "os": Cell("click_os", "whole", required=False),
    "country": Cell("click_country", "whole", required=False),
    "region": Cell("click_region", "whole", required=False),
    "referrer": Cell("click_referrer_type", "whole", required=False),
}
_CONTEXT = ("environment", "device", "os", "country", "region", "referrer", "earlier_in_session")
_ARTICLES = ("article_id", "category_id", "created_at_ts", "publisher_id", "words_count")
_MOST_COUNTED = 5


class GloboSettings(Settings):
    """Settings of the Globo adapter.

    Attributes:
        path: Folder of the unpacked download, from the project root.
        clicks: Files of clicks under it; a pattern. CSV, perhaps packed, or parquet.
        articles: File of the articles under it; null = the clicked articles, without fields.
        dirty_rows: What to do with clicks and articles that cannot be read.
    """

    path: str = "data/globo"
    clicks: str = "clicks/clicks_hour_*.csv"
    articles: str | None = "articles_metadata.csv"
    dirty_rows: DirtyRows = DirtyRows()


class Globo:
    """Reads the clicks and articles of Globo.com into canonical tables."""

    settings_type = GloboSettings

    @staticmethod
    def load(settings: GloboSettings, root: Path) -> Tables:
        """Return the tables of the download at ``settings.path``.

        Raises:
            MissingDataError: the folder is wrong, or the download in it is not all there.
            DataError: a file is not what it should be, with the row named.
        """
        folder = root / settings.path
        files = _files(folder, settings)
        tallies = [Tally(name, settings.dirty_rows) for name in ("impressions", "items")]
        clicks = pl.concat([_clicks(path, tallies[0]) for path in files])
        clicks = clicks.unique(["user_id", "session", "item_id", "timestamp"], maintain_order=True)
        clicks = _with_place_in_session(clicks.sort("timestamp", maintain_order=True))
        items = (
            _clicked(clicks)
            if settings.articles is None
            else _articles(folder / settings.articles, clicks, tallies[1])
        )
        facts: dict[str, Fact] = {
            "files": len(files),
            "clicks_repeated": usable(tallies[0]) - clicks.height,
            "sessions": clicks["session"].n_unique(),
            "positives": clicks.height,
        }
        fields = () if settings.articles is None else ("category", "publisher")
        tables = Tables(
            spec=DatasetSpec(
                name="globo",
                item_text=("title",),
                item_fields=fields,
                item_numeric=() if settings.articles is None else ("words",),
                context_fields=tuple(name for name in _CONTEXT if name in clicks.columns),
                facts=facts,
            ),
            items=items,
            users=clicks.select(pl.col("user_id").unique().sort()),
            impressions=_impressions(clicks),
            behaviours=clicks.select(
                "user_id", "item_id", "timestamp", kind=pl.lit("click", dtype=pl.String)
            ),
        )
        return with_tallies(tables, tallies)


def _files(folder: Path, settings: GloboSettings) -> list[Path]:
    """Return the files of clicks, in order of their names.

    Raises:
        MissingDataError: there are none, or the articles are missing.
    """
    articles = [settings.articles] if settings.articles is not None else []
    found = sorted(folder.glob(settings.clicks)) if folder.is_dir() else []
    first = (
        found[0].relative_to(folder).as_posix() if found else settings.clicks.replace("*", "000")
    )
    expect_files(folder, [*articles, first], layout="Globo clicks", setting="settings.path")
    if found:
        return found
    raise MissingDataError(
        f"No file of clicks is named like {settings.clicks!r}.",
        where=str(folder),
        allowed="clicks/clicks_hour_000.csv … of clicks.zip, or what settings.clicks names",
        do="Unpack clicks.zip there, or correct settings.clicks.",
    )


def _clicks(path: Path, tally: Tally) -> pl.DataFrame:
    """Return the clicks of a file; its context columns may differ with the edition."""
    needed = [cell.source for cell in _CLICKS.values() if cell.required]
    scan = scan_table(path, needed)
    there = scan.collect_schema().names()
    cells = {name: cell for name, cell in _CLICKS.items() if cell.source in there}
    rows = typed_rows(scan, path, cells, tally)
    with named_faults(path):
        return rows.drop("row").collect(engine="streaming")


def _with_place_in_session(clicks: pl.DataFrame) -> pl.DataFrame:
    """Add how many clicks of the session came before: known at the click, unlike its size."""
    earlier = pl.int_range(pl.len()).over("user_id", "session")
    return clicks.with_columns(
        earlier.clip(upper_bound=_MOST_COUNTED).cast(pl.Int64).alias("earlier_in_session")
    )


def _impressions(clicks: pl.DataFrame) -> pl.DataFrame:
    """Return the clicks as impressions; their sessions are context, not requests: see the docs."""
    return clicks.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("impression_id"),
        pl.lit(None, dtype=pl.Int64).alias("request_id"),
        "user_id",
        "item_id",
        "timestamp",
        pl.lit(1, dtype=pl.Int8).alias("label"),
        pl.lit(None, dtype=pl.Int64).alias("trigger_item_id"),
        *(name for name in _CONTEXT if name in clicks.columns),
    )


def _clicked(clicks: pl.DataFrame) -> pl.DataFrame:
    return clicks.select(pl.col("item_id").unique().sort()).with_columns(
        pl.format("article {}", "item_id").alias("title")
    )


def _articles(path: Path, clicks: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """Return all published articles, and those that were clicked and have no row.

    Their texts were not published: what stands for one is what is known of the article.
    """
    cells = {
        "item_id": Cell("article_id", "whole"),
        "category": Cell("category_id", "whole"),
        "publisher": Cell("publisher_id", "whole"),
        "words": Cell("words_count", "number"),
    }
    frame = read_table(path, _ARTICLES)
    articles = typed_rows(frame.lazy(), path, cells, tally).drop("row").collect()
    return (
        pl.concat([articles, clicks.select("item_id").unique()], how="diagonal")
        .unique("item_id", keep="first", maintain_order=True)
        .sort("item_id")
        .with_columns(
            pl.when(pl.col("category").is_null())
            .then(pl.format("article {}", "item_id"))
            .otherwise(
                pl.format(
                    "article {}, category {}, publisher {}", "item_id", "category", "publisher"
                )
            )
            .alias("title")
        )
    )
