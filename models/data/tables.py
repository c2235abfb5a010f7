"""The four canonical tables of a data set, and their files: parquet, with ``dataset.json``."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from models.data.schema import TABLES, DatasetSpec, TableName, check_table
from models.errors import CorruptArtifactError, MissingDataError, SchemaError
from models.files import write_text

SPEC_FILE = "dataset.json"


@dataclass(frozen=True)
class Tables:
    """A data set in canonical form.

    Attributes:
        spec: What the columns mean.
        items: One row an item: ``item_id``, text, ``image_path``, categorical, numeric columns.
        users: One row a user: ``user_id`` and categorical columns.
        impressions: One row a shown item: who, what, when (UTC seconds), clicked or not, trigger.
        behaviours: One row a positive event; these make the histories.
    """

    spec: DatasetSpec
    items: pl.DataFrame
    users: pl.DataFrame
    impressions: pl.DataFrame
    behaviours: pl.DataFrame

    def table(self, name: TableName) -> pl.DataFrame:
        """Return the table called ``name``."""
        return {
            "items": self.items,
            "users": self.users,
            "impressions": self.impressions,
            "behaviours": self.behaviours,
        }[name]


def check_schema(tables: Tables) -> None:
    """Check columns and types of all tables, and that an id has one type in all of them.

    What the columns hold (nulls, duplicates, unknown keys …) is checked where files are read, with
    their rows named, and by the validation suite.

    Raises:
        SchemaError: naming table, column, type and what is allowed.
    """
    for name in TABLES:
        check_table(name, tables.table(name), tables.spec)
    _check_same_type("item_id", tables.items, tables)
    _check_same_type("user_id", tables.users, tables)


def write_tables(tables: Tables, folder: Path) -> None:
    """Write the tables into ``folder``, which the caller makes appear as a whole.

    Raises:
        SchemaError: the tables are not canonical; nothing is written.
    """
    check_schema(tables)
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        tables.table(name).write_parquet(_file(folder, name), statistics=True)
    write_text(folder / SPEC_FILE, tables.spec.model_dump_json(indent=2) + "\n")


def read_tables(folder: Path) -> Tables:
    """Return the tables in ``folder``.

    Raises:
        MissingDataError: the folder, or a table in it, is absent.
        CorruptArtifactError: a file is cut short or not what its name says.
        SchemaError: a column is missing or has a wrong type.
    """
    spec = _read_spec(folder / SPEC_FILE)
    tables = Tables(spec, **{name: _read_table(folder, name) for name in TABLES})
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


def _read_table(folder: Path, name: TableName) -> pl.DataFrame:
    path = _file(folder, name)
    if not path.is_file():
        raise MissingDataError(
            f"Table {name!r} is missing.", where=str(path), do="Run the ingest step again."
        )
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorruptArtifactError(
            f"Table {name!r} is no whole parquet file: {str(error).splitlines()[0]}",
            where=str(path),
            do="Run the ingest step again, or bring the run's files back: intentflow checkout RUN",
        ) from None


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _check_same_type(column: str, home: pl.DataFrame, tables: Tables) -> None:
    expected = home.schema[column]
    for name in TABLES:
        columns = [column, "trigger_item_id"] if column == "item_id" else [column]
        for used in columns:
            found = tables.table(name).schema.get(used, expected)
            if found not in (expected, pl.Null):
                raise SchemaError(
                    f"Column {used!r} of table {name!r} has type {found}, elsewhere {expected}.",
                    where=f"table {name}, column {used}",
                    allowed=f"one type for {column} in every table: Int64 or String",
                    do="Convert the column in the data set's adapter.",
                )
