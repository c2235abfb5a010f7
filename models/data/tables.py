"""The four canonical tables of a data set, and their files: parquet, with ``dataset.json``.

Two forms: `Tables` holds all rows; `TableScan` holds items and users, and reads impressions and
behaviours in passes, so that they may be larger than memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl
from pydantic import ValidationError

from models.data.schema import TABLES, DatasetSpec, TableName, check_table
from models.errors import CorruptArtifactError, MissingDataError, SchemaError
from models.files import write_text

F = TypeVar("F", pl.DataFrame, pl.LazyFrame)
SPEC_FILE = "dataset.json"
DIRTY_FILE = "dirty_rows.parquet"
ROW_GROUP = 250_000
"""Rows of a row group in the files: what a reader holds of a column at a time."""


@dataclass(frozen=True)
class Tables:
    """A data set in canonical form.

    Attributes:
        spec: What the columns mean.
        items: One row an item: ``item_id``, text, ``image_path``, categorical, numeric columns.
        users: One row a user: ``user_id`` and categorical columns.
        impressions: One row a shown item: who, what, when (UTC seconds), clicked or not, trigger.
        behaviours: One row a positive event; these make the histories.
        dirty_rows: Some of the rows that could not be used, one row each: table, file, row, column,
            value, reason. ``spec.dirty_rows`` counts all of them.
    """

    spec: DatasetSpec
    items: pl.DataFrame
    users: pl.DataFrame
    impressions: pl.DataFrame
    behaviours: pl.DataFrame
    dirty_rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    def table(self, name: TableName) -> pl.DataFrame:
        """Return the table called ``name``."""
        return {
            "items": self.items,
            "users": self.users,
            "impressions": self.impressions,
            "behaviours": self.behaviours,
        }[name]

    def lazy(self, name: TableName) -> pl.LazyFrame:
        """Return the table called ``name`` as a query."""
        return self.table(name).lazy()

    def height(self, name: TableName) -> int:
        """Return the number of rows of a table."""
        return self.table(name).height

    def collect(self) -> "Tables":
        """Return itself: all rows are in memory."""
        return self

    def scan(self) -> "TableScan":
        """Return the same data set in the form of a scan."""
        return TableScan(
            self.spec,
            self.items,
            self.users,
            self.impressions.lazy(),
            self.behaviours.lazy(),
            self.dirty_rows,
        )


@dataclass(frozen=True)
class TableScan:
    """A data set in canonical form, the events of which need not fit into memory.

    Attributes:
        spec: What the columns mean.
        items: As in `Tables`.
        users: As in `Tables`.
        impressions: As in `Tables`; a query whose rows come in the same order in every pass.
        behaviours: As in `Tables`; likewise.
        dirty_rows: As in `Tables`.
        keep: What the queries need to live as long as the scan, such as a temporary folder: hold
            the scan as long as you use its queries.
    """

    spec: DatasetSpec
    items: pl.DataFrame
    users: pl.DataFrame
    impressions: pl.LazyFrame
    behaviours: pl.LazyFrame
    dirty_rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    keep: object = field(default=None, compare=False, repr=False)

    def lazy(self, name: TableName) -> pl.LazyFrame:
        """Return the table called ``name`` as a query."""
        return {
            "items": self.items.lazy(),
            "users": self.users.lazy(),
            "impressions": self.impressions,
            "behaviours": self.behaviours,
        }[name]

    def height(self, name: TableName) -> int:
        """Return the number of rows of a table."""
        return self.lazy(name).select(pl.len()).collect(engine="streaming").item()

    def collect(self) -> Tables:
        """Return the data set with all its rows in memory."""
        return Tables(
            self.spec,
            self.items,
            self.users,
            self.impressions.collect(engine="streaming"),
            self.behaviours.collect(engine="streaming"),
            self.dirty_rows,
        )


def check_schema(tables: Tables | TableScan) -> None:
    """Check columns and types of all tables, and that an id has one type in all of them.

    What the columns hold (nulls, duplicates, unknown keys …) is checked where files are read, with
    their rows named, and by the validation suite.

    Raises:
        SchemaError: naming table, column, type and what is allowed.
    """
    for name in TABLES:
        check_table(name, tables.lazy(name).collect_schema(), tables.spec)
    _check_same_type("item_id", tables)
    _check_same_type("user_id", tables)


def write_tables(tables: Tables | TableScan, folder: Path) -> None:
    """Write the tables into ``folder``, which the caller makes appear as a whole.

    Rows are streamed from the query to the file, in their order; the same rows give the same bytes.

    Raises:
        SchemaError: the tables are not canonical; nothing is written.
    """
    check_schema(tables)
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        tables.lazy(name).sink_parquet(_file(folder, name), row_group_size=ROW_GROUP)
    if not tables.dirty_rows.is_empty():
        tables.dirty_rows.write_parquet(folder / DIRTY_FILE)
    write_text(folder / SPEC_FILE, tables.spec.model_dump_json(indent=2) + "\n")


def read_tables(folder: Path) -> Tables:
    """Return the tables in ``folder``.

    Raises:
        MissingDataError: the folder, or a table in it, is absent.
        CorruptArtifactError: a file is cut short or not what its name says.
        SchemaError: a column is missing or has a wrong type.
    """
    spec = _read_spec(folder / SPEC_FILE)
    tables = Tables(
        spec,
        **{name: _open(folder, name, pl.read_parquet) for name in TABLES},
        dirty_rows=_dirty_rows(folder),
    )
    check_schema(tables)
    return tables


def scan_tables(folder: Path) -> TableScan:
    """Return the tables in ``folder`` without reading impressions and behaviours.

    Raises:
        MissingDataError: the folder, or a table in it, is absent.
        CorruptArtifactError: a file is cut short or not what its name says.
        SchemaError: a column is missing or has a wrong type.
    """
    tables = TableScan(
        _read_spec(folder / SPEC_FILE),
        items=_open(folder, "items", pl.read_parquet),
        users=_open(folder, "users", pl.read_parquet),
        impressions=_open(folder, "impressions", _scan_parquet),
        behaviours=_open(folder, "behaviours", _scan_parquet),
        dirty_rows=_dirty_rows(folder),
    )
    check_schema(tables)
    return tables


def _read_spec(path: Path) -> DatasetSpec:
    if not path.is_file():
        raise MissingDataError(
            "There are no canonical tables here.",
            where=str(path),
            do="Run the ingest step first, or name the folder it wrote.",
        )
    try:
        return DatasetSpec.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorruptArtifactError(
            f"The description of the data set cannot be read: {error.errors()[0]['msg']}.",
            where=str(path),
            do="Run the ingest step again.",
        ) from None


def _open(folder: Path, name: TableName, read: Callable[[Path], F]) -> F:
    path = _file(folder, name)
    if not path.is_file():
        raise MissingDataError(
            f"Table {name!r} is missing.", where=str(path), do="Run the ingest step again."
        )
    try:
        return read(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorruptArtifactError(
            f"Table {name!r} is no whole parquet file: {str(error).splitlines()[0]}",
            where=str(path),
            do="Run the ingest step again, or bring the run's files back: intentflow checkout RUN",
        ) from None


def _dirty_rows(folder: Path) -> pl.DataFrame:
    path = folder / DIRTY_FILE
    return pl.read_parquet(path) if path.is_file() else pl.DataFrame()


def _scan_parquet(path: Path) -> pl.LazyFrame:
    scan = pl.scan_parquet(path)
    scan.collect_schema()  # reads the footer: a file cut short is found here, not in a later pass
    return scan


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _check_same_type(column: Literal["item_id", "user_id"], tables: Tables | TableScan) -> None:
    expected = (tables.items if column == "item_id" else tables.users).schema[column]
    for name in TABLES:
        columns = [column, "trigger_item_id"] if column == "item_id" else [column]
        for used in columns:
            found = tables.lazy(name).collect_schema().get(used, expected)
            if found not in (expected, pl.Null):
                raise SchemaError(
                    f"Column {used!r} of table {name!r} has type {found}, elsewhere {expected}.",
                    where=f"table {name}, column {used}",
                    allowed=f"one type for {column} in every table: Int64 or String",
                    do="Convert the column in the data set's adapter.",
                )
