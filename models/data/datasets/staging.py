"""Reads the files of a table once: every cell converted, every dirty row counted or named.

What is read is kept in memory or, where that would be too much, in parquet files in a folder for
temporary files (``TMPDIR``), which lives as long as the scan. All further passes are over those.
"""

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import polars as pl

from models.data.datasets.conversions import Conversion, Converter, Fault, wrong_cell
from models.data.datasets.dirty_rows import DirtyRows, Sample, Tally
from models.data.datasets.formats import Format, check_file, named_faults
from models.data.datasets.keys import PLACE, Checked, place_of, row_of
from models.data.datasets.rawfiles import csv_header, no_rows, scan_table
from models.data.datasets.records import (
    BadLine,
    CsvRules,
    JsonRules,
    Rules,
    bad_lines,
    has_bad_lines,
    scan_good_lines,
)
from models.data.schema import TableName, missing_column
from models.errors import DataError
from models.files import own_prefix, remove_leftovers

_ROWS_TO_INFER = 10_000  # of JSON lines: a key that none of the first so many has is not there
_SHOWN_FROM = 100_000  # dirty rows that samples are taken from
_CSV_REMEDY = (
    "Quote cells that hold the separator or a line break, set the separator, or quoted: false"
)
_CODE = "_fault"
_ROW = "_row"


@dataclass(frozen=True)
class Column:
    """A canonical column to read.

    Attributes:
        convert: How.
        given: Its name in the files.
        optional: Whether the files may lack it.
    """

    convert: Converter
    given: str
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """The files of a table, and how to read them.

    Attributes:
        table: The canonical table.
        files: The files, in the order of their rows.
        columns: What to read, by canonical name.
        separator: Between the cells of CSV files; one character.
        quoted: Whether quotes stand around cells of CSV files.
        folder: Where the data set lies: reports name the files from here.
    """

    table: TableName
    files: tuple[Path, ...]
    columns: Mapping[str, Column]
    separator: str = ","
    quoted: bool = True
    folder: Path = Path()

    def shown(self, path: Path) -> str:
        """Return the name of a file in reports, the same wherever the data set lies."""
        return str(path.relative_to(self.folder) if self.folder != Path() else path)


class Scratch:
    """Keeps what was read, until the last query over it is gone.

    Args:
        in_memory: Keep it in memory rather than in files.
    """

    def __init__(self, *, in_memory: bool) -> None:
        self.in_memory = in_memory
        self._folder, self._numbers = None, count()
        if not in_memory:
            home = Path(tempfile.gettempdir()) / "intentflow-ingest"
            home.mkdir(parents=True, exist_ok=True)
            remove_leftovers(home)
            self._folder = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def keep(self, query: pl.LazyFrame) -> pl.LazyFrame:
        """Return a query over the rows of ``query``, which runs now and never again."""
        if self._folder is None:
            return query.collect(engine="streaming").lazy()
        path = self._folder / f"{next(self._numbers)}.parquet"
        query.sink_parquet(path, compression="lz4", row_group_size=250_000)
        return pl.scan_parquet(path)


@dataclass(frozen=True)
class _Read:
    """A column of one file: its name there and its conversion."""

    name: str
    given: str
    conversion: Conversion


def stage(source: Source, dirty: DirtyRows, scratch: Scratch) -> tuple[Checked, Tally]:
    """Return the rows of a table's files that can be used, and a tally of those that cannot.

    Raises:
        MissingDataError: a file is absent.
        SchemaError: a column is missing; or a row is dirty and that is fatal, or too many are.
        DataError: a file is empty, cut short, not UTF-8, or not of its kind.
    """
    tally = Tally(source.table, dirty)
    frames = [_stage_file(path, i, source, tally, scratch) for i, path in enumerate(source.files)]
    tally.check()
    files = tuple(map(str, source.files))
    return Checked(source.table, pl.concat(frames, how="diagonal_relaxed"), files), tally


def _stage_file(
    path: Path, number: int, source: Source, tally: Tally, scratch: Scratch
) -> pl.LazyFrame:
    """Return the usable rows of one file, and count the others."""
    check_file(path)
    is_json = Format.of(path).kind == "jsonl"
    with named_faults(path, separator=source.separator):
        raw = _json_rows(path) if is_json else _rows(path, source, tally)
        reads = _reads(raw.collect_schema(), path, source)
        query = _query(raw, reads, number)
        try:
            staged = scratch.keep(query)
        except pl.exceptions.ComputeError:
            if not is_json:
                raise
            rules = JsonRules(tuple(name for name in raw.collect_schema() if name != _ROW))
            if not _count_bad_lines(path, rules, source, tally):
                raise
            raw = scan_good_lines(path, rules, header=False)
            staged = scratch.keep(_query(raw, reads, number))
        _count_dirty_cells(raw, staged, reads, path, source, tally)
    return staged.filter(pl.col(_CODE).is_null()).drop(_CODE)


def _rows(path: Path, source: Source, tally: Tally) -> pl.LazyFrame:
    """Return the records of a CSV or parquet file, numbered from 0."""
    if Format.of(path).kind == "csv":
        names = csv_header(path, source.separator, quoted=source.quoted)
        _reads(pl.Schema(dict.fromkeys(names, pl.String())), path, source)  # else all lines are bad
        rules = CsvRules(names, source.separator, source.quoted)
        if has_bad_lines(path, rules) and _count_bad_lines(path, rules, source, tally):
            return scan_good_lines(path, rules, header=True)
    scan = scan_table(path, separator=source.separator, quoted=source.quoted)
    return scan.with_row_index(_ROW)


def _json_rows(path: Path) -> pl.LazyFrame:
    """Return the objects of a file of JSON lines, every value as text, numbered from 0."""
    keys = dict.fromkeys(key for line in _first_objects(path) for key in line)
    if not keys:
        raise no_rows(path)
    return pl.scan_ndjson(path, schema=dict.fromkeys(keys, pl.String)).with_row_index(_ROW)


def _first_objects(path: Path) -> Iterator[dict[str, object]]:
    for line in pl.scan_lines(path).head(_ROWS_TO_INFER).collect()["line"]:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _reads(schema: pl.Schema, path: Path, source: Source) -> list[_Read]:
    reads = []
    for name, column in source.columns.items():
        if column.given in schema:
            conversion = column.convert(column.given, schema[column.given], str(path))
            reads.append(_Read(name, column.given, conversion))
        elif not (column.optional and column.given == name):
            present = [name for name in schema if name != _ROW]
            raise missing_column(column.given, present, f"{path} (for {source.table}.{name})")
    return reads


def _query(raw: pl.LazyFrame, reads: list[_Read], file: int) -> pl.LazyFrame:
    """Return the converted rows with their place and the number of their first fault, or null."""
    code = pl.lit(None, dtype=pl.UInt16)
    for number, (_, fault) in reversed(list(enumerate(_faults(reads)))):
        code = pl.when(fault.bad).then(pl.lit(number, dtype=pl.UInt16)).otherwise(code)
    place = place_of(file, pl.col(_ROW))
    values = {read.name: read.conversion.value for read in reads}
    return raw.select(place.alias(PLACE), code.alias(_CODE), **values)


def _faults(reads: list[_Read]) -> list[tuple[str, Fault]]:
    return [(read.given, fault) for read in reads for fault in read.conversion.faults]


def _count_bad_lines(path: Path, rules: Rules, source: Source, tally: Tally) -> int:
    """Count the lines that are no records, or name the first where that is fatal."""
    found = 0
    for line in bad_lines(path, rules, header=isinstance(rules, CsvRules)):
        if tally.settings.policy == "fatal":
            raise _bad_line(path, line)
        sample = Sample(source.shown(path), line.row + 1, "", line.text, line.problem)
        tally.add("", line.problem, 1, [sample])
        found += 1
    tally.read += found
    return found


def _bad_line(path: Path, line: BadLine) -> DataError:
    is_json = Format.of(path).kind == "jsonl"
    return DataError(
        f"The {'file of JSON lines' if is_json else 'CSV file'} cannot be read: "
        f"row {line.row + 1} {line.problem}.",
        where=f"{path}, row {line.row + 1}: {line.text[:80]}",
        allowed="one JSON object in every line"
        if is_json
        else "lines of equally many cells, the first one names",
        do=("Correct the line" if is_json else _CSV_REMEDY)
        + "; or set dirty_rows: {policy: drop} to leave such lines out.",
    )


def _count_dirty_cells(
    raw: pl.LazyFrame,
    staged: pl.LazyFrame,
    reads: list[_Read],
    path: Path,
    source: Source,
    tally: Tally,
) -> None:
    """Count the rows with a fault, or name the first where that is fatal."""
    found = staged.group_by(_CODE).agg(pl.len(), pl.col(PLACE).min()).sort(_CODE)
    rows = found.collect(engine="streaming").rows()
    tally.read += sum(number for _, number, _ in rows)
    dirty = [row for row in rows if row[0] is not None]
    if not dirty:
        return
    faults = _faults(reads)
    if tally.settings.policy == "fatal":
        code, number, place = dirty[0]
        given, fault = faults[code]
        row = row_of(place)
        value = _values(raw, [row], given)[row]
        problem = fault.problem + fault.hint(value)
        where = f"{path}, row {row + 1}, column {given}"
        raise wrong_cell(given, value, problem, number, where, fault.allowed)
    places = _shown(staged, tally.settings.samples)
    for code, number, _ in dirty:
        given, fault = faults[code]
        shown = places.get(code, [])
        values = _values(raw, shown, given)
        samples = (
            Sample(source.shown(path), row + 1, given, _text(values[row]), fault.problem)
            for row in shown
        )
        tally.add(given, fault.problem, number, samples)


def _shown(staged: pl.LazyFrame, samples: int) -> dict[int, list[int]]:
    """Return the first rows of every fault."""
    dirty = staged.filter(pl.col(_CODE).is_not_null()).select(_CODE, PLACE).head(_SHOWN_FROM)
    some = dirty.collect(engine="streaming").group_by(_CODE, maintain_order=True).head(samples)
    rows: dict[int, list[int]] = {}
    for code, place in some.rows():
        rows.setdefault(code, []).append(row_of(place))
    return rows


def _values(raw: pl.LazyFrame, rows: list[int], given: str) -> dict[int, object]:
    wanted = raw.filter(pl.col(_ROW).is_in(rows)).select(_ROW, given)
    return dict(wanted.collect(engine="streaming").rows())


def _text(value: object) -> str | None:
    return None if value is None else str(value)
