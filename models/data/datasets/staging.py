"""Reads the files of a table once: every cell converted, every dirty row counted or named.

What is read is kept, in memory or in files, and all further passes are over that.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.data.datasets.conversions import Conversion, Converter, Fault, wrong_cell
from models.data.datasets.dirty_rows import DirtyRows, Sample, Tally
from models.data.datasets.formats import Format, check_file, check_json_lines, named_faults
from models.data.datasets.keys import PLACE, Checked, place_of
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
from models.data.datasets.scratch import Scratch
from models.data.schema import TableName, missing_column
from models.errors import DataError

_ROWS_TO_INFER = 10_000  # of JSON lines: a key that none of the first so many has is not there
_CSV_REMEDY = (
    "Quote cells that hold the separator or a line break, set the separator, or quoted: false"
)
_MANY = 1_000_000  # suspects; from here on it is cheaper to look at every row than for these
_CODE, _ROW, _SUSPECT, _VALUE = "_fault", "_row", "_suspect", "_value "


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


@dataclass(frozen=True)
class _File:
    """A file being read: its place among those of its table, and where dirty rows are counted."""

    path: Path
    number: int
    source: Source
    tally: Tally

    @property
    def shown(self) -> str:
        """Return its name in reports, the same wherever the data set lies."""
        return str(self.path.relative_to(self.source.folder))


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
    files = [_File(path, number, source, tally) for number, path in enumerate(source.files)]
    frames = [_stage_file(file, scratch) for file in files]
    tally.check()
    names = tuple(map(str, source.files))
    return Checked(source.table, pl.concat(frames, how="diagonal_relaxed"), names), tally


def _stage_file(file: _File, scratch: Scratch) -> pl.LazyFrame:
    """Return the usable rows of one file, and count the others."""
    check_file(file.path)
    is_json = Format.of(file.path).kind == "jsonl"
    with named_faults(file.path, separator=file.source.separator):
        raw = _json_rows(file.path) if is_json else _rows(file)
        reads = _reads(raw.collect_schema(), file)
        try:
            staged = scratch.keep(_query(raw, reads, file.number))
        except pl.exceptions.ComputeError:
            if not is_json:
                raise
            rules = JsonRules(tuple(name for name in raw.collect_schema() if name != _ROW))
            if not _count_bad_lines(file, rules):
                raise
            raw = scan_good_lines(file.path, rules, header=False)
            staged = scratch.keep(_query(raw, reads, file.number))
        dirty = _dirty_cells(raw, staged, reads, file)
    staged = staged.drop(_SUSPECT)
    return staged.filter(~pl.col(PLACE).is_in(dirty.implode())) if len(dirty) else staged


def _rows(file: _File) -> pl.LazyFrame:
    """Return the records of a CSV or parquet file, numbered from 0."""
    path, source = file.path, file.source
    if Format.of(path).kind == "csv":
        names = csv_header(path, source.separator, quoted=source.quoted)
        _reads(pl.Schema(dict.fromkeys(names, pl.String())), file)  # else every line is bad
        rules = CsvRules(names, source.separator, source.quoted)
        if has_bad_lines(path, rules) and _count_bad_lines(file, rules):
            return scan_good_lines(path, rules, header=True)
    scan = scan_table(path, separator=source.separator, quoted=source.quoted)
    return scan.with_row_index(_ROW)


def _json_rows(path: Path) -> pl.LazyFrame:
    """Return the objects of a file of JSON lines, every value as text, numbered from 0."""
    check_json_lines(path)
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


def _reads(schema: pl.Schema, file: _File) -> list[_Read]:
    reads, path = [], file.path
    for name, column in file.source.columns.items():
        if column.given in schema:
            conversion = column.convert(column.given, schema[column.given], str(path))
            reads.append(_Read(name, column.given, conversion))
        elif not (column.optional and column.given == name):
            present = [name for name in schema if name != _ROW]
            raise missing_column(column.given, present, f"{path} (for {file.source.table}.{name})")
    return reads


def _query(raw: pl.LazyFrame, reads: list[_Read], file: int) -> pl.LazyFrame:
    """Return the converted rows with their place and whether a cell may be wrong."""
    values = {read.name: read.conversion.value for read in reads}
    kept = raw.with_columns(place_of(file, pl.col(_ROW)).alias(PLACE), **_prefixed(values))
    suspects = [
        read.conversion.suspect(pl.col(_VALUE + read.name))
        for read in reads
        if read.conversion.faults
    ]
    suspect = pl.any_horizontal(suspects) if suspects else pl.lit(value=False)
    named = {read.name: pl.col(_VALUE + read.name) for read in reads}
    return kept.select(PLACE, suspect.fill_null(value=True).alias(_SUSPECT), **named)


def _prefixed(values: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
    return {_VALUE + name: value for name, value in values.items()}


def _code(reads: list[_Read]) -> pl.Expr:
    """Return the number of a row's first fault, or null."""
    code = pl.lit(None, dtype=pl.UInt16)
    for number, (_, fault) in reversed(list(enumerate(_faults(reads)))):
        code = pl.when(fault.bad).then(pl.lit(number, dtype=pl.UInt16)).otherwise(code)
    return code


def _faults(reads: list[_Read]) -> list[tuple[str, Fault]]:
    return [(read.given, fault) for read in reads for fault in read.conversion.faults]


def _count_bad_lines(file: _File, rules: Rules) -> int:
    """Count the lines that are no records, or name the first where that is fatal."""
    found, tally = 0, file.tally
    for line in bad_lines(file.path, rules, header=isinstance(rules, CsvRules)):
        if tally.settings.policy == "fatal":
            raise _bad_line(file.path, line)
        tally.add(
            "", line.problem, 1, [Sample(file.shown, line.row + 1, "", line.text, line.problem)]
        )
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


def _dirty_cells(
    raw: pl.LazyFrame, staged: pl.LazyFrame, reads: list[_Read], file: _File
) -> pl.Series:
    """Return the places of rows with a fault, counted; or name the first where that is fatal."""
    dirty = _with_faults(raw, staged, reads, file)
    counts = dirty.group_by(_CODE).agg(pl.len(), pl.col(_ROW).min()).sort(_CODE)
    found = counts.collect(engine="streaming").rows()
    if not found:
        return pl.Series([], dtype=pl.Int64)
    faults = _faults(reads)
    if file.tally.settings.policy == "fatal":
        code, number, row = found[0]
        given, fault = faults[code]
        value = dirty.filter(pl.col(_ROW) == row).select(given).collect(engine="streaming").item()
        where = f"{file.path}, row {row + 1}, column {given}"
        problem = fault.problem + fault.hint(value)
        raise wrong_cell(given, value, problem, number, where, fault.allowed)
    codes = dirty.select(_CODE, _ROW).collect(engine="streaming")
    some = codes.group_by(_CODE, maintain_order=True).head(file.tally.settings.samples)
    shown = dirty.filter(pl.col(_ROW).is_in(some[_ROW].implode())).collect(engine="streaming")
    for code, number, _ in found:
        given, fault = faults[code]
        samples = (
            Sample(file.shown, row + 1, given, _text(value), fault.problem)
            for row, value in shown.filter(pl.col(_CODE) == code).select(_ROW, given).rows()
        )
        file.tally.add(given, fault.problem, number, samples)
    return codes.select(place_of(file.number, pl.col(_ROW))).to_series()


def _with_faults(
    raw: pl.LazyFrame, staged: pl.LazyFrame, reads: list[_Read], file: _File
) -> pl.LazyFrame:
    """Return a query over the rows of a file that have a fault, with the first one's number."""
    read, suspects = (
        staged.select(pl.len(), pl.col(_SUSPECT).sum().alias("suspects"))
        .collect(engine="streaming")
        .row(0)
    )
    file.tally.read += read
    given = dict.fromkeys(read.given for read in reads)
    raw = raw.select(_ROW, *given)
    if suspects < _MANY:
        rows = pl.col(PLACE) - place_of(file.number, pl.lit(0))
        few = staged.filter(_SUSPECT).select(rows).collect(engine="streaming")[PLACE]
        few = pl.col(_ROW).cast(pl.Int64).is_in(few.implode())
        raw = raw.filter(few).collect(engine="streaming").lazy() if suspects else raw.clear()
    return raw.with_columns(_code(reads).alias(_CODE)).filter(pl.col(_CODE).is_not_null())


def _text(value: object) -> str | None:
    return None if value is None else str(value)
