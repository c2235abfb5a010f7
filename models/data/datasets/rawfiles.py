"""Reads CSV, JSON lines and parquet as users bring them; every fault is named with its place.

A scan reads its file anew in every pass, some rows at a time, so that the file may be larger than
memory; Polars unpacks gzip and Zstandard as it reads.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
from polars.datatypes import DataTypeClass

from models.data.datasets.formats import Format, check_file, named_faults, open_unpacked
from models.data.schema import missing_column
from models.errors import DataError, SchemaError

_ROWS_TO_INFER = 10_000  # of JSON lines: keys and types are those of the first so many


def scan_table(
    path: Path,
    columns: Iterable[str] = (),
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """Return a query over one file; the cells of a CSV file stay text, empty ones are null.

    What is wrong further down in the file shows when the query is collected: do that inside
    `named_faults`.

    Args:
        path: CSV, JSON lines (``.jsonl``, ``.ndjson``, ``.json``) or parquet; plain, ``.gz`` or
            ``.zst``. Packed parquet, which cannot be read in pieces, is unpacked in memory.
        columns: Columns that have to be there.
        separator: Between the cells of a CSV file; of two characters or more, no cell is quoted.
        header: Names of the columns of a CSV file that has no header line.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is empty, cut short, not UTF-8, or not of its kind.
        SchemaError: a column is missing, with the nearest name there is.
    """
    check_file(path)
    with named_faults(path, separator=separator):
        scan = _scan(path, separator, header)
        names = scan.collect_schema().names()
        for column in columns:
            if column not in names:
                raise missing_column(column, names, str(path))
        if scan.head(1).collect(engine="streaming").is_empty():
            raise _no_rows(path)
    return scan


def read_table(
    path: Path,
    columns: Iterable[str] = (),
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return one file as a table: `scan_table` with all its rows.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is empty, cut short, not UTF-8, or not of its kind.
        SchemaError: a column is missing, with the nearest name there is.
    """
    scan = scan_table(path, columns, separator=separator, header=header)
    with named_faults(path, separator=separator):
        return scan.collect(engine="streaming")


def convert(
    column: pl.Series, dtype: DataTypeClass, where: str, *, required: bool = True
) -> pl.Series:
    """Return ``column`` as ``dtype``; no value may be lost.

    Raises:
        SchemaError: naming the first row that holds something else, or nothing although
            ``required``; rows are counted from 1, a CSV file's header not being one.
    """
    text = column.dtype == pl.String
    values = column.str.strip_chars().replace("", None) if text else column
    cast = values.cast(dtype, strict=False)
    bad = cast.is_null() & values.is_not_null()
    if required and cast.dtype.is_float():
        bad |= cast.is_nan().fill_null(False)
    if dtype.is_integer() and column.dtype.is_float():
        bad |= (cast.cast(pl.Float64) != values).fill_null(False)
    kind = KIND_NAMES.get(dtype, str(dtype))
    if bad.any():
        raise bad_value(column, bad, f"is no {kind}", where, allowed=kind)
    if required and cast.null_count():
        raise bad_value(column, cast.is_null(), "is empty", where, allowed=f"a {kind} in every row")
    return cast


def bad_value(
    column: pl.Series, bad: pl.Series, problem: str, where: str, *, allowed: str
) -> SchemaError:
    """Return the error for a column with ``bad`` rows: the first one, and how many there are."""
    row = bad.arg_max() or 0
    value = "" if column[row] is None else f" {column[row]!r}"
    count = int(bad.sum())
    return SchemaError(
        f"Value{value} of column {column.name!r} {problem} ({count} such row{'s' * (count != 1)}).",
        where=f"{where}, row {row + 1}, column {column.name}",
        allowed=allowed,
        do="Correct the values, or map another column in the data set's configuration.",
    )


KIND_NAMES = {pl.Int64: "whole number", pl.Float64: "number", pl.String: "text"}


def _scan(path: Path, separator: str, header: Sequence[str] | None) -> pl.LazyFrame:
    found = Format.of(path)
    if found.kind == "jsonl":
        return pl.scan_ndjson(path, infer_schema_length=_ROWS_TO_INFER)
    if found.kind == "parquet" and found.packing:
        with open_unpacked(path) as stream:
            return pl.read_parquet(stream.read()).lazy()
    if found.kind == "parquet":
        return pl.scan_parquet(path)
    if len(separator) > 1:
        return _scan_split(path, separator, header)
    scan = pl.scan_csv(
        path,
        separator=separator,
        infer_schema=False,
        null_values=[""],
        has_header=header is None,
        new_columns=header,
    )
    return scan.rename(_plain) if header is None else scan


def _scan_split(path: Path, separator: str, header: Sequence[str] | None) -> pl.LazyFrame:
    """Return a file whose separator is longer than the one byte that CSV readers take."""
    lines = pl.scan_lines(path)
    if header is None:
        header = [_plain(name) for name in lines.head(1).collect().item().split(separator)]
        lines = lines.slice(1)
    cells = pl.col("line").str.strip_chars_end("\r").str.split_exact(separator, len(header) - 1)
    split = lines.filter(pl.col("line") != "").select(cells.struct.rename_fields(list(header)))
    return split.unnest("line").with_columns(pl.all().replace("", None))


def _plain(name: str) -> str:
    return name.removeprefix("\ufeff").strip()


def _no_rows(path: Path) -> DataError:
    return DataError(
        "The file has columns and no rows.",
        where=str(path),
        allowed="one row or more",
        do="Export the file again.",
    )
