"""Reads CSV, JSON lines and parquet as users bring them; every fault is named with its place.

A scan reads its file anew in every pass, some rows at a time, so that the file may be larger than
memory; Polars unpacks gzip and Zstandard as it reads.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from models.data.datasets.conversions import convert
from models.data.datasets.formats import (
    Format,
    check_file,
    check_json_lines,
    named_faults,
    open_unpacked,
)
from models.data.schema import missing_column
from models.errors import DataError

__all__ = ["convert", "named_faults", "read_table", "scan_table"]

_ROWS_TO_INFER = 10_000  # of JSON lines: keys and types are those of the first so many


def scan_table(
    path: Path,
    columns: Iterable[str] = (),
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quoted: bool = True,
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
        quoted: Whether quotes stand around cells; False: they are characters like others.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is empty, cut short, not UTF-8, or not of its kind.
        SchemaError: a column is missing, with the nearest name there is.
    """
    check_file(path)
    with named_faults(path, separator=separator):
        scan = _scan(path, separator, header, quoted)
        names = scan.collect_schema().names()
        for column in columns:
            if column not in names:
                raise missing_column(column, names, str(path))
        if scan.head(1).collect(engine="streaming").is_empty():
            raise no_rows(path)
    return scan


def read_table(
    path: Path,
    columns: Iterable[str] = (),
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quoted: bool = True,
) -> pl.DataFrame:
    """Return one file as a table: `scan_table`, whose arguments it takes, with all its rows.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is empty, cut short, not UTF-8, or not of its kind.
        SchemaError: a column is missing, with the nearest name there is.
    """
    scan = scan_table(path, columns, separator=separator, header=header, quoted=quoted)
    with named_faults(path, separator=separator):
        return scan.collect(engine="streaming")


def csv_header(path: Path, separator: str, *, quoted: bool) -> tuple[str, ...]:
    """Return the names in the first line of a CSV file.

    Raises:
        DataError: there is none, or it is not UTF-8 or not packed as the name says.
    """
    with named_faults(path, separator=separator):
        line = pl.scan_lines(path).head(1).collect(engine="streaming")["line"]
        quote = '"' if quoted else None
        names = pl.read_csv("".join(line).encode(), separator=separator, quote_char=quote).columns
    return tuple(map(_plain, names))


def _scan(path: Path, separator: str, header: Sequence[str] | None, quoted: bool) -> pl.LazyFrame:
    found = Format.of(path)
    if found.kind == "jsonl":
        check_json_lines(path)
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
        quote_char='"' if quoted else None,
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


def no_rows(path: Path) -> DataError:
    """Return the error for a file that has columns at most."""
    return DataError(
        "The file has columns and no rows.",
        where=str(path),
        allowed="one row or more",
        do="Export the file again.",
    )
