"""The user's own CSV, JSON or parquet files, mapped to canonical tables by one configuration."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from models.data.datasets import columns as read_as
from models.data.datasets.cells import with_tallies
from models.data.datasets.conversions import Converter
from models.data.datasets.formats import Format
from models.data.datasets.generic_settings import (
    BehaviourTable,
    EventTable,
    GenericSettings,
    SourceTable,
)
from models.data.datasets.keys import PLACE, Checked, check_unique, drop_or_refuse, unify_ids
from models.data.datasets.staging import Column, Scratch, Source, stage
from models.data.schema import DatasetSpec, Fact, TableName
from models.data.tables import Tables, TableScan
from models.errors import MissingDataError

_UNPACKED = 4  # times the size of a packed file, roughly
_OPTIONAL = {"impression_id", "request_id", "trigger_item_id", "kind"}


class Generic:
    """Reads files whose columns the settings map to canonical ones."""

    settings_type = GenericSettings

    @staticmethod
    def load(settings: GenericSettings, root: Path) -> Tables | TableScan:
        """Return the tables of the files that ``settings`` names; a scan where they are large.

        Raises:
            MissingDataError: the folder or a file is not there.
            SchemaError: a column is missing, a value cannot be read, a key is repeated or unknown;
                with file, row and column.
            DataError: a file is empty, cut short or not UTF-8.
        """
        folder = root / settings.path
        if not folder.is_dir():
            raise MissingDataError(
                "The data set's folder does not exist.",
                where=str(folder),
                do="Correct settings.path in the data set's configuration.",
            )
        sources = _sources(settings, folder)
        scratch = Scratch(in_memory=_size_mb(sources) <= settings.max_in_memory_mb)
        staged = [stage(source, settings.dirty_rows, scratch) for source in sources]
        read = {table.name: table for table, _ in staged}
        read["impressions"] = _with_impression_id(read["impressions"])
        scan = _assemble(unify_ids(read, settings.ids), settings)
        scan = replace(with_tallies(scan, [tally for _, tally in staged]), keep=scratch)
        return scan.collect() if scratch.in_memory else scan


def _sources(settings: GenericSettings, folder: Path) -> list[Source]:
    """Return what to read, and how."""
    given: dict[TableName, tuple[SourceTable | None, dict[str, Converter]]] = {
        "items": (settings.items, _item_columns(settings)),
        "impressions": (settings.impressions, _shown(settings)),
        "users": (settings.users, _user_columns(settings)),
        "behaviours": (settings.behaviours, _events(settings.behaviours)),
    }
    return [
        Source(
            name,
            tuple(_files(table, folder)),
            _columns(table, how),
            table.separator,
            table.quoted,
            folder,
        )
        for name, (table, how) in given.items()
        if table is not None
    ]


def _columns(table: SourceTable, how: Mapping[str, Converter]) -> dict[str, Column]:
    return {
        name: Column(converter, table.columns.get(name, name), optional=name in _OPTIONAL)
        for name, converter in how.items()
    }


def _item_columns(settings: GenericSettings) -> dict[str, Converter]:
    columns: dict[str, Converter] = {"item_id": read_as.ids}
    columns |= dict.fromkeys(settings.item_text, read_as.filled_texts)
    columns |= dict.fromkeys(settings.item_fields, read_as.categories)
    columns |= dict.fromkeys(settings.item_numeric, read_as.numbers)
    if settings.images_root is not None:
        columns["image_path"] = read_as.texts
    return columns


def _user_columns(settings: GenericSettings) -> dict[str, Converter]:
    columns: dict[str, Converter] = {"user_id": read_as.ids}
    return columns | dict.fromkeys(settings.user_fields, read_as.categories)


def _events(table: EventTable | None) -> dict[str, Converter]:
    if table is None:
        return {}
    columns: dict[str, Converter] = {
        "user_id": read_as.ids,
        "item_id": read_as.ids,
        "timestamp": read_as.timestamps(table.time_unit),
    }
    if isinstance(table, BehaviourTable) and table.kind is None:
        columns["kind"] = read_as.texts
    return columns


def _shown(settings: GenericSettings) -> dict[str, Converter]:
    columns = _events(settings.impressions)
    columns |= {
        "impression_id": read_as.whole_numbers,
        "request_id": read_as.optional_ids,
        "trigger_item_id": read_as.optional_ids,
    }
    if not settings.impressions.label.always:
        columns["label"] = read_as.labels(settings.impressions.label)
    return columns | dict.fromkeys(settings.context_fields, read_as.categories)


def _files(source: SourceTable, folder: Path) -> list[Path]:
    files: list[Path] = []
    for pattern in source.files:
        found = sorted(folder.glob(pattern)) if any(mark in pattern for mark in "*?[") else None
        if found == []:
            raise MissingDataError(
                f"No file is named like {pattern!r}.",
                where=str(folder),
                do="Correct the pattern, or fetch the files.",
            )
        files += found if found is not None else [folder / pattern]
    return files


def _size_mb(sources: list[Source]) -> float:
    """Return about how large the files are once unpacked."""
    sizes = [
        path.stat().st_size * (_UNPACKED if Format.of(path).packing else 1)
        for source in sources
        for path in source.files
        if path.is_file()
    ]
    return sum(sizes) / 1e6


def _with_impression_id(impressions: Checked) -> Checked:
    """Number impressions by their rows where the files do not."""
    if "impression_id" in impressions.columns():
        check_unique(impressions, "impression_id")
        return impressions
    numbered = impressions.rows.with_row_index("impression_id")
    return replace(impressions, rows=numbered.with_columns(pl.col("impression_id").cast(pl.Int64)))


def _assemble(tables: Mapping[str, Checked], settings: GenericSettings) -> TableScan:
    facts: dict[str, Fact] = {}
    items = _all_rows(tables["items"], "item_id")
    known = {"item_id": items["item_id"]}
    users = None
    if "users" in tables:
        users = _all_rows(tables["users"], "user_id")
        known["user_id"] = users["user_id"]
    drop = settings.unknown_keys == "drop"
    shown = drop_or_refuse(tables["impressions"], known, drop=drop, facts=facts)
    shown = _complete(shown.drop(PLACE), facts)
    if "behaviours" in tables:
        events = drop_or_refuse(tables["behaviours"], known, drop=drop, facts=facts)
        kind = settings.behaviours.kind if settings.behaviours else None
    else:
        events, kind = shown.filter(pl.col("label") == 1), "click"
    behaviours = _behaviours(events, kind)
    if users is None:
        both = pl.concat([shown.select("user_id"), behaviours.select("user_id")])
        users = both.unique().collect(engine="streaming").sort("user_id")
    return TableScan(_spec(settings, facts), items, users, shown, behaviours)


def _all_rows(table: Checked, key: str) -> pl.DataFrame:
    check_unique(table, key)
    return table.rows.drop(PLACE).collect(engine="streaming")


def _complete(impressions: pl.LazyFrame, facts: dict[str, Fact]) -> pl.LazyFrame:
    """Add the columns the files lack, and drop the rows whose label the rule leaves out."""
    columns = impressions.collect_schema()
    lacking = [
        pl.lit(None, dtype=columns["item_id"]).alias(column)
        for column in ("request_id", "trigger_item_id")
        if column not in columns
    ]
    if "label" not in columns:
        lacking.append(pl.lit(1, dtype=pl.Int8).alias("label"))
    whole = impressions.with_columns(lacking)
    dropped, positives = (
        whole.select(pl.col("label").null_count(), positives=pl.col("label").cast(pl.Int64).sum())
        .collect(engine="streaming")
        .row(0)
    )
    facts["impressions_dropped_by_label"] = dropped
    facts["positives"] = positives
    return whole.filter(pl.col("label").is_not_null()) if dropped else whole


def _behaviours(events: pl.LazyFrame, kind: str | None) -> pl.LazyFrame:
    constant = pl.lit(kind or "event", dtype=pl.String).alias("kind")
    given = kind is None and "kind" in events.collect_schema()
    return events.select(
        "user_id",
        "item_id",
        "timestamp",
        pl.col("kind").fill_null("event") if given else constant,
    )


def _spec(settings: GenericSettings, facts: dict[str, Fact]) -> DatasetSpec:
    root = settings.images_root
    return DatasetSpec(
        name=settings.name,
        item_text=settings.item_text,
        item_fields=settings.item_fields,
        item_numeric=settings.item_numeric,
        user_fields=settings.user_fields,
        context_fields=settings.context_fields,
        has_images=root is not None,
        images_root=None if root is None else str(Path(settings.path) / root),
        facts=facts,
    )
