"""Reads CSV and parquet files as users bring them; every fault is named with its place."""

import codecs
import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from polars.datatypes import DataTypeClass

from models.data.schema import missing_column
from models.errors import DataError, MissingDataError, SchemaError

_CHUNK = 1 << 20
PARQUET, CSV = (".parquet", ".pq"), (".csv", ".tsv", ".txt", ".dat")


def read_table(path: Path, columns: Iterable[str] = (), *, separator: str = ",") -> pl.DataFrame:
    """Return one file as a table; the cells of a CSV file stay text, empty ones are null.

    Args:
        path: A CSV (with a header; perhaps ``.gz``) or parquet file.
        columns: Columns that have to be there.
        separator: Between the cells of a CSV file.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is empty, cut short, not UTF-8, or not of its kind.
        SchemaError: a column is missing, with the nearest name there is.
    """
    if not path.is_file():
        raise MissingDataError(
            "There is no such file.", where=str(path), do="Correct the path, or fetch the file."
        )
    if not path.stat().st_size:
        raise DataError(
            "The file is empty (0 bytes).",
            where=str(path),
            allowed="a CSV file with a header line, or a parquet file",
            do="Export the file again.",
        )
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_parquet = bool(suffixes) and suffixes[-1] in PARQUET
    frame = _read_parquet(path) if is_parquet else _read_csv(path, separator)
    for column in columns:
        if column not in frame.columns:
            raise missing_column(column, frame.columns, str(path))
    if not frame.height:
        raise DataError(
            "The file has columns and no rows.",
            where=str(path),
            allowed="one row or more",
            do="Export the file again.",
        )
    return frame


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


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, memory_map=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"The parquet file is cut short or damaged: {str(error).splitlines()[0]}",
            where=f"{path} ({path.stat().st_size} bytes)",
            allowed="a whole parquet file",
            do="Copy or export the file again.",
        ) from None


def _read_csv(path: Path, separator: str) -> pl.DataFrame:
    content = _decompressed(path)
    try:
        frame = pl.read_csv(content, separator=separator, infer_schema=False, null_values=[""])
    except pl.exceptions.NoDataError:
        raise DataError(
            "The file holds no header line.", where=str(path), do="Export the file again."
        ) from None
    except pl.exceptions.PolarsError as error:
        _check_utf8(content, path)
        raise DataError(
            f"The CSV file cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            allowed=f"lines of equally many cells, separated by {separator!r}, the first one names",
            do="Quote cells that hold the separator or a line break, or set the separator.",
        ) from None
    return frame.rename(lambda name: name.removeprefix("\ufeff").strip())


def _decompressed(path: Path) -> bytes:
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"The file cannot be unpacked: {error}.",
            where=str(path),
            allowed="a whole gzip file",
            do="Copy or export the file again.",
        ) from None


def _check_utf8(content: bytes, path: Path) -> None:
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        for begin in range(0, len(content), _CHUNK):
            before = begin - len(decoder.getstate()[0])
            decoder.decode(content[begin : begin + _CHUNK], final=begin + _CHUNK >= len(content))
    except UnicodeDecodeError as error:
        position = before + error.start
        line = content.count(b"\n", 0, position) + 1
        raise DataError(
            f"The file is not UTF-8: byte 0x{content[position]:02x} at position {position}.",
            where=f"{path}, line {line}",
            allowed="UTF-8 text",
            do=f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > converted.csv",
        ) from None
