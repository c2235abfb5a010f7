"""Logs that keep the order of a user's interactions and neither ratings nor times.

Many published benchmarks are of this form. Times are made up from the places, one step apart, so
nothing about them is to be learnt from and only splits by user make sense.
"""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, PositiveInt

from models.data.datasets.cells import Cell, typed_rows, with_tallies
from models.data.datasets.dirty_rows import DirtyRows, Tally
from models.data.datasets.downloads import expect_files
from models.data.datasets.k_core import k_core_of
from models.data.datasets.rawfiles import named_faults, read_table, scan_table
from models.data.schema import DatasetSpec, missing_column
from models.data.tables import Tables
from models.errors import SchemaError
from models.settings import Settings

_START_S = 946_684_800  # 2000-01-01: a made-up time must be one, and is nobody's


class OrderedSettings(Settings):
    """Settings of the ordered adapter.

    Attributes:
        name: Name of the data set, as reports show it.
        path: Folder of the files, from the project root.
        interactions: File of interactions under it.
        items: File of the items under it.
        user_column: Column of ``interactions`` that names the user.
        item_column: Column of both files that names the item, a whole number.
        place_column: Column of ``interactions`` that counts each user's; null = the file's order.
        item_text: Text columns of the items.
        item_fields: Categorical columns of the items.
        item_numeric: Numeric columns of the items.
        step_s: Seconds between one interaction and the next.
        core: Users and items with fewer interactions are left out, repeatedly; 1 keeps all.
        unknown_items: What to do with interactions of items that have no row: ``error`` names the
            first, ``drop`` drops and counts them.
        dirty_rows: What to do with rows that cannot be read.
    """

    name: str
    path: str
    interactions: str
    items: str
    user_column: str = "user_id"
    item_column: str = "item_id"
    place_column: str | None = None
    item_text: tuple[str, ...] = Field(min_length=1)
    item_fields: tuple[str, ...] = ()
    item_numeric: tuple[str, ...] = ()
    step_s: PositiveInt = 3600
    core: PositiveInt = 1
    unknown_items: Literal["error", "drop"] = "error"
    dirty_rows: DirtyRows = DirtyRows()


class Ordered:
    """Reads interactions in order into canonical tables: all of them are positive."""

    settings_type = OrderedSettings

    @staticmethod
    def load(settings: OrderedSettings, root: Path) -> Tables:
        """Return the tables of the files at ``settings.path``.

        Raises:
            MissingDataError: the folder is wrong, or a file in it is not there.
            SchemaError: a column is missing, a cell is not of its kind, or an item has no row.
            DataError: a file cannot be read.
        """
        names = (settings.interactions, settings.items)
        folder = root / settings.path
        files = expect_files(folder, names, layout=settings.name, setting="settings.path")
        tallies = [Tally(name, settings.dirty_rows) for name in ("items", "impressions")]
        items = _items(files[settings.items], settings, tallies[0])
        read = _interactions(files[settings.interactions], settings, tallies[1])
        known = read.filter(pl.col("item_id").is_in(items["item_id"].implode()))
        if settings.unknown_items == "error" and known.height < read.height:
            where = f"{files[settings.interactions]}, column {settings.item_column}"
            raise _unknown_item(read, items, where)
        kept = k_core_of(known, settings.core)
        timed = _with_times(kept, settings.step_s)
        tables = Tables(
            spec=DatasetSpec(
                name=settings.name,
                item_text=settings.item_text,
                item_fields=settings.item_fields,
                item_numeric=settings.item_numeric,
                facts={
                    "interactions_of_unknown_items": read.height - known.height,
                    "interactions_outside_the_core": known.height - kept.height,
                    "positives": kept.height,
                },
            ),
            items=items,
            users=timed.select(pl.col("user_id").unique().sort()),
            impressions=timed.select(
                pl.int_range(pl.len(), dtype=pl.Int64).alias("impression_id"),
                pl.lit(None, dtype=pl.Int64).alias("request_id"),
                "user_id",
                "item_id",
                "timestamp",
                pl.lit(1, dtype=pl.Int8).alias("label"),
                pl.lit(None, dtype=pl.Int64).alias("trigger_item_id"),
            ),
            behaviours=timed.select(
                "user_id", "item_id", "timestamp", kind=pl.lit("event", dtype=pl.String)
            ),
        )
        return with_tallies(tables, tallies)


def _interactions(path: Path, settings: OrderedSettings, tally: Tally) -> pl.DataFrame:
    cells = {
        "user_id": Cell(settings.user_column, "whole"),
        "item_id": Cell(settings.item_column, "whole"),
    }
    if settings.place_column is not None:
        cells["place"] = Cell(settings.place_column, "whole")
    scan = scan_table(path, [cell.source for cell in cells.values()])
    rows = typed_rows(scan, path, cells, tally)
    with named_faults(path):
        return rows.collect(engine="streaming")


def _items(path: Path, settings: OrderedSettings, tally: Tally) -> pl.DataFrame:
    frame = read_table(path, [settings.item_column])
    cells = {"item_id": Cell(settings.item_column, "whole")}
    cells |= {name: Cell(name, "text", required=False) for name in settings.item_text}
    cells |= {name: Cell(name, "text", required=False) for name in settings.item_fields}
    cells |= {name: Cell(name, "number", required=False) for name in settings.item_numeric}
    for cell in cells.values():
        if cell.source not in frame.columns:
            raise missing_column(cell.source, frame.columns, str(path))
    items = typed_rows(frame.lazy(), path, cells, tally).drop("row").collect()
    twice = items.filter(pl.col("item_id").is_duplicated())["item_id"]
    if len(twice):
        raise SchemaError(
            f"Item {twice[0]} has more than one row.",
            where=f"{path}, column {settings.item_column}",
            allowed="each item once",
            do="Remove the repeated rows, or name another column in settings.item_column.",
        )
    return items.with_columns(pl.col(settings.item_text).fill_null(""))


def _unknown_item(interactions: pl.DataFrame, items: pl.DataFrame, where: str) -> SchemaError:
    unknown = interactions.join(items, on="item_id", how="anti", maintain_order="left")
    first = unknown.row(0, named=True)
    return SchemaError(
        f"Item {first['item_id']} has no row among the items ({unknown.height} such rows).",
        where=f"{where}, row {first['row'] + 1}",
        allowed="items that the file of items has",
        do="Add the missing items, or set settings.unknown_items: drop.",
    )


def _with_times(interactions: pl.DataFrame, step_s: int) -> pl.DataFrame:
    """Return the interactions by place, then user, with a time for each place of a user."""
    order = ["place", "row"] if "place" in interactions.columns else ["row"]
    place = pl.int_range(pl.len()).over("user_id")
    timed = interactions.sort(order).with_columns(timestamp=_START_S + place * step_s)
    return timed.sort("timestamp", "row")
