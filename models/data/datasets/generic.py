"""The user's own CSV or parquet files, mapped to canonical tables by one configuration file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from models.data.datasets import columns as convert_columns
from models.data.datasets.generic_settings import (
    BehaviourTable,
    EventTable,
    GenericSettings,
    ImpressionTable,
    SourceTable,
)
from models.data.datasets.keys import Checked, check_unique, drop_or_refuse, unify_ids
from models.data.datasets.rawfiles import convert, read_table
from models.data.schema import DatasetSpec, Fact, TableName, missing_column
from models.data.tables import Tables
from models.errors import MissingDataError, SchemaError

Converter = Callable[[pl.Series, str], pl.Series]


@dataclass(frozen=True)
class _Column:
    """A column to read: how, and whether the files may lack it."""

    convert: Converter
    optional: bool = False


class Generic:
    """Reads files whose columns the settings map to canonical ones."""

    settings_type = GenericSettings

    @staticmethod
    def load(settings: GenericSettings, root: Path) -> Tables:
        """Return the tables of the files that ``settings`` names.

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
        items = _read("items", settings.items, _item_columns(settings), folder)
        impressions = _read("impressions", settings.impressions, _shown(settings), folder)
        read = {"items": items, "impressions": _with_impression_id(impressions)}
        if settings.users is not None:
            read["users"] = _read("users", settings.users, _user_columns(settings), folder)
        if settings.behaviours is not None:
            read["behaviours"] = _read(
                "behaviours", settings.behaviours, _events(settings.behaviours), folder
            )
        return _assemble(unify_ids(read, settings.ids), settings)


def _item_columns(settings: GenericSettings) -> dict[str, _Column]:
    columns = {"item_id": _Column(convert_columns.ids)}
    columns |= dict.fromkeys(settings.item_text, _Column(_text))
    columns |= dict.fromkeys(settings.item_fields, _Column(_category))
    columns |= dict.fromkeys(settings.item_numeric, _Column(convert_columns.numbers))
    if settings.images_root is not None:
        columns["image_path"] = _Column(_path)
    return columns


def _user_columns(settings: GenericSettings) -> dict[str, _Column]:
    columns = {"user_id": _Column(convert_columns.ids)}
    return columns | dict.fromkeys(settings.user_fields, _Column(_category))


def _events(table: EventTable) -> dict[str, _Column]:
    columns = {
        "user_id": _Column(convert_columns.ids),
        "item_id": _Column(convert_columns.ids),
        "timestamp": _Column(
            lambda column, where: convert_columns.timestamps(column, table.time_unit, where)
        ),
    }
    if isinstance(table, BehaviourTable) and table.kind is None:
        columns["kind"] = _Column(_path, optional=True)
    return columns


def _shown(settings: GenericSettings) -> dict[str, _Column]:
    table: ImpressionTable = settings.impressions
    columns = _events(table)
    columns |= {
        "impression_id": _Column(_whole, optional=True),
        "request_id": _Column(_optional_ids, optional=True),
        "trigger_item_id": _Column(_optional_ids, optional=True),
    }
    if not table.label.always:
        columns["label"] = _Column(
            lambda column, where: convert_columns.labels(column, table.label, where)
        )
    return columns | dict.fromkeys(settings.context_fields, _Column(_category))


def _read(
    name: TableName, source: SourceTable, columns: dict[str, _Column], folder: Path
) -> Checked:
    """Return the table ``name`` of all its files, each value converted where it is read."""
    frames, files = [], []
    for path in _files(source, folder):
        raw = read_table(path, separator=source.separator)
        converted = []
        for column, how in columns.items():
            given = source.columns.get(column, column)
            if given in raw.columns:
                converted.append(how.convert(raw[given], str(path)).alias(column))
            elif not how.optional or column in source.columns:
                raise missing_column(given, raw.columns, f"{path} (for {name}.{column})")
        frames.append(pl.DataFrame(converted))
        files.append((str(path), raw.height))
    try:
        frame = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"The files of table {name!r} have columns of different types: {error}",
            where=", ".join(file for file, _ in files),
            allowed="one type for a column in all files of a table",
            do="Export the files alike.",
        ) from None
    return Checked(name, frame, tuple(files))


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


def _with_impression_id(impressions: Checked) -> Checked:
    """Number impressions by their rows where the files do not."""
    if "impression_id" in impressions.frame.columns:
        return impressions
    numbered = impressions.frame.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("impression_id")
    )
    return replace(impressions, frame=numbered)


def _assemble(read: dict[str, Checked], settings: GenericSettings) -> Tables:
    items, impressions = read["items"], read["impressions"]
    check_unique(items, "item_id")
    check_unique(impressions, "impression_id")
    facts: dict[str, Fact] = {f"{name}_read": table.frame.height for name, table in read.items()}
    known = {"item_id": items.frame["item_id"]}
    if "users" in read:
        check_unique(read["users"], "user_id")
        known["user_id"] = read["users"].frame["user_id"]
    drop = settings.unknown_keys == "drop"
    shown = _complete(drop_or_refuse(impressions, known, drop=drop, facts=facts), facts)
    if "behaviours" in read:
        events = drop_or_refuse(read["behaviours"], known, drop=drop, facts=facts)
        kind = settings.behaviours.kind if settings.behaviours else None
    else:
        events, kind = shown.filter(pl.col("label") == 1), "click"
    behaviours = _behaviours(events, kind)
    if "users" in read:
        users = read["users"].frame
    else:
        found = pl.concat([shown["user_id"], behaviours["user_id"]])
        users = found.unique().sort().to_frame()
    return Tables(_spec(settings, facts), items.frame, users, shown, behaviours)


def _complete(impressions: pl.DataFrame, facts: dict[str, Fact]) -> pl.DataFrame:
    """Add the columns the files lack, and drop the rows whose label the rule leaves out."""
    lacking = [
        pl.lit(None, dtype=impressions.schema["item_id"]).alias(column)
        for column in ("request_id", "trigger_item_id")
        if column not in impressions.columns
    ]
    if "label" not in impressions.columns:
        lacking.append(pl.lit(1, dtype=pl.Int8).alias("label"))
    whole = impressions.with_columns(lacking)
    kept = whole.filter(pl.col("label").is_not_null())
    facts["impressions_dropped_by_label"] = whole.height - kept.height
    facts["positives"] = int(kept["label"].sum())
    return kept


def _behaviours(events: pl.DataFrame, kind: str | None) -> pl.DataFrame:
    constant = pl.lit(kind or "event", dtype=pl.String).alias("kind")
    given = kind is None and "kind" in events.columns
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


def _text(column: pl.Series, where: str) -> pl.Series:
    return _path(column, where).fill_null("")


def _path(column: pl.Series, where: str) -> pl.Series:
    if column.dtype.is_nested() or column.dtype == pl.Binary:
        raise SchemaError(
            f"Column {column.name!r} has type {column.dtype}.",
            where=f"{where}, column {column.name}",
            allowed="text",
            do="Map another column.",
        )
    return column.cast(pl.String).str.strip_chars()


def _category(column: pl.Series, where: str) -> pl.Series:
    whole = column.dtype.is_integer() or column.dtype == pl.Boolean
    return column if whole else _path(column, where)


def _whole(column: pl.Series, where: str) -> pl.Series:
    return convert(column, pl.Int64, where)


def _optional_ids(column: pl.Series, where: str) -> pl.Series:
    return convert_columns.ids(column, where, required=False)
