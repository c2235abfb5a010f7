"""What a raw file is by its name, and what is wrong with it when it cannot be read."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import polars as pl
import pyarrow as pa

from models.errors import DataError, MissingDataError

_CHUNK = 1 << 20
_START = 1 << 10
Kind = Literal["csv", "jsonl", "parquet"]
KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".data": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PACKINGS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Format:
    """What is in a file.

    Attributes:
        kind: CSV (any separator), JSON lines or parquet.
        packing: ``gzip``, ``zstd`` or, for a file as it is, "".
    """

    kind: Kind
    packing: str = ""

    @classmethod
    def of(cls, path: Path) -> "Format":
        """Return the format that the endings of the name say; a name without any is CSV."""
        suffixes = [suffix.lower() for suffix in path.suffixes]
        packing = PACKINGS.get(suffixes[-1], "") if suffixes else ""
        rest = suffixes[:-1] if packing else suffixes
        return cls(KINDS.get(rest[-1], "csv") if rest else "csv", packing)


def check_file(path: Path) -> None:
    """Check that there is a file and something in it.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is empty.
    """
    if not path.is_file():
        raise MissingDataError(
            "There is no such file.", where=str(path), do="Correct the path, or fetch the file."
        )
    if not path.stat().st_size:
        raise DataError(
            "The file is empty (0 bytes).",
            where=str(path),
            allowed="a CSV file with a header line, JSON lines, or a parquet file",
            do="Export the file again.",
        )


def check_json_lines(path: Path) -> None:
    """Check that a file does not begin as one JSON array, which cannot be read in pieces.

    Raises:
        DataError: it does.
    """
    with open_unpacked(path) as stream:
        start = stream.read(_START)
    if re.match(rb"\s*\[\s*(\{|$)", start):
        raise DataError(
            "The file is one JSON array, not JSON lines.",
            where=str(path),
            allowed="one JSON object in every line",
            do=f"Convert it: jq -c '.[]' {path.name} > {path.stem}.jsonl",
        )


def open_unpacked(path: Path) -> IO[bytes]:
    """Return the file's bytes as a stream, unpacked as its name says, some at a time."""
    return pa.input_stream(str(path), compression=Format.of(path).packing or None)


@contextmanager
def named_faults(path: Path, *, separator: str = ",") -> Iterator[None]:
    """Turn what a reader raises in the block into a `DataError` that names file and fault."""
    try:
        yield
    except pl.exceptions.NoDataError:
        raise DataError(
            "The file holds no header line.", where=str(path), do="Export the file again."
        ) from None
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise _fault(path, error, separator) from None


def _fault(path: Path, error: Exception, separator: str) -> DataError:
    reason, found = str(error).splitlines()[0], Format.of(path)
    if found.kind == "parquet":
        return DataError(
            f"The parquet file is cut short or damaged: {reason}",
            where=f"{path} ({path.stat().st_size} bytes)",
            allowed="a whole parquet file",
            do="Copy or export the file again.",
        )
    if isinstance(error, OSError) and found.packing:
        return DataError(
            f"The file cannot be unpacked: {reason}.",
            where=str(path),
            allowed=f"a whole {found.packing} file",
            do="Copy or export the file again.",
        )
    _check_utf8(path)
    if found.kind == "jsonl":
        return DataError(
            f"The file of JSON lines cannot be read: {reason}",
            where=str(path),
            allowed="one JSON object in every line, the same keys with the same types",
            do="Correct the line, or set dirty_rows: {policy: drop}.",
        )
    return DataError(
        f"The CSV file cannot be read: {reason}",
        where=str(path),
        allowed=f"lines of equally many cells, separated by {separator!r}, the first one names",
        do="Quote cells that hold the separator or a line break, or set the separator.",
    )


def _check_utf8(path: Path) -> None:
    decoder, before, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    with open_unpacked(path) as stream:
        while chunk := stream.read(_CHUNK):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                position = before - held + error.start
                line += error.object.count(b"\n", 0, error.start)
                raise DataError(
                    f"The file is not UTF-8: byte 0x{error.object[error.start]:02x} "
                    f"at position {position}.",
                    where=f"{path}, line {line}",
                    allowed="UTF-8 text",
                    do=f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > converted.csv",
                ) from None
            before += len(chunk)
            line += chunk.count(b"\n")
