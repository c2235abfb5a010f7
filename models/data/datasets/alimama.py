"""Alimama display advertising (Tianchi data set 56): ads are items, their displays impressions.

26 million impressions and 700 million behaviours are read in passes, never all at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from models.data.datasets.alimama_items import PAIRS, Catalogue, read_catalogue
from models.data.datasets.cells import Cell, typed_rows, usable, with_tallies
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.data.datasets.downloads import expect_files
from models.data.datasets.rawfiles import named_faults, scan_table
from models.data.schema import DatasetSpec, Fact, TableName
from models.data.tables import TableScan
from models.settings import Settings

SAMPLES, ADS = "raw_sample.csv", "ad_feature.csv"
PROFILES, LOG = "user_profile.csv", "behavior_log.csv"
_SAMPLE = {
    "user_id": Cell("user", "whole"),
    "timestamp": Cell("time_stamp", "seconds"),
    "item_id": Cell("adgroup_id", "whole"),
    "slot": Cell("pid", "text"),
    "label": Cell("clk", "flag"),
}
_PROFILE = {
    "user_id": Cell("userid", "whole"),
    "segment": Cell("cms_segid", "whole", required=False),
    "group": Cell("cms_group_id", "whole", required=False),
    "gender": Cell("final_gender_code", "whole", required=False),
    "age": Cell("age_level", "whole", required=False),
    "spending": Cell("pvalue_level", "whole", required=False),
    "shopping": Cell("shopping_level", "whole", required=False),
    "student": Cell("occupation", "whole", required=False),
    "city": Cell("new_user_class_level", "whole", required=False),
}
_BEHAVIOUR = {
    "user_id": Cell("user", "whole"),
    "timestamp": Cell("time_stamp", "seconds"),
    "kind": Cell("btag", "text"),
    "category": Cell("cate", "whole"),
    "brand": Cell("brand", "whole", required=False, none=("NULL",)),
}
_TABLES: Mapping[str, TableName] = {
    SAMPLES: "impressions",
    ADS: "items",
    PROFILES: "users",
    LOG: "behaviours",
}
_MIX, _RANGE = 2_654_435_761, 2**32  # Knuth's multiplicative hash: the same users everywhere


class AlimamaSettings(Settings):
    """Settings of the Alimama adapter.

    Attributes:
        path: Folder of the unpacked files, from the project root.
        history: What histories and derived triggers are made of: the ``clicks`` on ads, the
            ``behaviours`` of the shopping log, which name a category and a brand and no ad, or
            ``both``.
        behaviour_kinds: The kinds of behaviour that count: page views, carts, favourites, buys.
        user_share: Share of the users that are read, chosen by a hash of the id (DSIN: 0.25).
        user_seed: Which users these are.
        dirty_rows: What to do with rows that cannot be read.
    """

    path: str = "data/alimama"
    history: Literal["clicks", "behaviours", "both"] = "clicks"
    behaviour_kinds: tuple[Literal["pv", "cart", "fav", "buy"], ...] = Field(
        ("pv", "cart", "fav", "buy"), min_length=1
    )
    user_share: float = Field(1, gt=0, le=1)
    user_seed: int = Field(0, ge=0)
    dirty_rows: DirtyRows = DirtyRows()


class Alimama:
    """Reads the four files of Alimama into canonical tables."""

    settings_type = AlimamaSettings

    @staticmethod
    def load(settings: AlimamaSettings, root: Path) -> TableScan:
        """Return a scan of the files at ``settings.path``; they are read in every pass over it.

        Raises:
            MissingDataError: the folder is wrong, or the download in it is not all there.
            DataError: a file is not what it should be, with the row named.
        """
        names = (SAMPLES, ADS, PROFILES, *(() if settings.history == "clicks" else (LOG,)))
        files = expect_files(root / settings.path, names, layout="Alimama", setting="settings.path")
        tallies = {name: Tally(table, settings.dirty_rows) for name, table in _TABLES.items()}
        shown = _typed(files[SAMPLES], _SAMPLE, tallies[SAMPLES], settings)
        catalogue = read_catalogue(files[ADS], tallies[ADS])
        behaviours = [_clicks(shown)] if settings.history != "behaviours" else []
        if settings.history != "clicks":
            log = _typed(files[LOG], _BEHAVIOUR, tallies[LOG], settings)
            log = log.filter(pl.col("kind").is_in(settings.behaviour_kinds))
            with named_faults(files[LOG]):
                catalogue = catalogue.with_categories(log.select("category"))
            behaviours.append(_of_log(log, catalogue))
        tables = TableScan(
            spec=DatasetSpec(
                name="alimama",
                item_text=("title",),
                item_fields=("category", "brand", "campaign", "customer"),
                item_numeric=("price",),
                user_fields=tuple(name for name in _PROFILE if name != "user_id"),
                context_fields=("slot",),
                facts=_facts(shown, files[SAMPLES], usable(tallies[SAMPLES]))
                | {"pairs": catalogue.num_pairs},
            ),
            items=catalogue.items,
            users=_users(files, tallies[PROFILES], shown, settings),
            impressions=_impressions(shown),
            behaviours=pl.concat(behaviours),
        )
        return with_tallies(tables, [tallies[name] for name in names])


def _typed(
    path: Path, cells: dict[str, Cell], tally: Tally, settings: AlimamaSettings
) -> pl.LazyFrame:
    """Return the typed rows of a file, of the share of users that is read."""
    rows = typed_rows(
        scan_table(path, [cell.source for cell in cells.values()]), path, cells, tally
    )
    if settings.user_share == 1:
        return rows
    hashed = ((pl.col("user_id") + settings.user_seed) * _MIX) % _RANGE
    return rows.filter(hashed < round(settings.user_share * _RANGE))


def _facts(shown: pl.LazyFrame, path: Path, usable_rows: int) -> dict[str, Fact]:
    with named_faults(path):
        impressions, positives = (
            shown.select(pl.len(), pl.col("label").cast(pl.Int64).sum())
            .collect(engine="streaming")
            .row(0)
        )
    return {
        "impressions_of_other_users": usable_rows - impressions,
        "positives": positives,
        "negatives": impressions - positives,
    }


def _impressions(shown: pl.LazyFrame) -> pl.LazyFrame:
    return shown.select(
        pl.col("row").alias("impression_id"),
        pl.lit(None, dtype=pl.Int64).alias("request_id"),
        "user_id",
        "item_id",
        "timestamp",
        pl.col("label").cast(pl.Int8),
        pl.lit(None, dtype=pl.Int64).alias("trigger_item_id"),
        "slot",
    )


def _clicks(shown: pl.LazyFrame) -> pl.LazyFrame:
    return shown.filter(pl.col("label") == 1).select(
        "user_id", "item_id", "timestamp", pl.lit("click", dtype=pl.String).alias("kind")
    )


def _of_log(rows: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    """Return behaviours, of the item that stands for their category and brand.

    A brand that no ad of the category has is left out: the category stays.
    """
    pair = PAIRS.of("category", "brand")
    known = pair.is_in(catalogue.pairs.implode())
    return rows.select(
        "user_id",
        pl.when(known).then(pair).otherwise(PAIRS.of_category("category")).alias("item_id"),
        "timestamp",
        "kind",
    )


def _users(
    files: Mapping[str, Path], tally: Tally, shown: pl.LazyFrame, settings: AlimamaSettings
) -> pl.DataFrame:
    """Return the users of the impressions; about 7 % of them have no profile."""
    with named_faults(files[SAMPLES]):
        users = shown.select(pl.col("user_id").unique()).collect(engine="streaming")
    profile = _typed(files[PROFILES], _PROFILE, tally, settings).drop("row").collect()
    return users.sort("user_id").join(profile, on="user_id", how="left", maintain_order="left")
