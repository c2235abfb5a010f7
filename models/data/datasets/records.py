"""Finds the lines of CSV and JSON files that are no records, and reads the others.

Polars stops at the first such line. Files are therefore looked through line by line before they are
read, and the few that need it are read in blocks of their good lines.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64
from polars.io.plugins import register_io_source

LONGEST_RECORD = 1_000  # lines; a quote that is open for longer was meant otherwise
_BLOCK = 100_000  # lines
_QUOTED = r'"(?:[^"]|"")*"'
_CELL = "\x00"  # stands for a quoted cell


@dataclass(frozen=True)
class BadLine:
    """A line that is no record.

    Attributes:
        row: Its number among the records, from 0, a header not being one.
        text: What it says.
        problem: Why it is none: "has 3 cells, the header 5".
    """

    row: int
    text: str
    problem: str


@dataclass(frozen=True)
class Block:
    """Some records of a file, in order.

    Attributes:
        lines: The lines of good records; of one record several, where a quoted cell is so long.
        row: The number of each good record.
        bad: The lines that are none.
    """

    lines: pl.Series
    row: Int64[np.ndarray, " N"]
    bad: tuple[BadLine, ...]


class Rules(Protocol):
    """What a record of a kind of file is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of its cells."""
        ...

    def plain(self, lines: pl.Expr, has_quotes: bool) -> pl.Expr:
        """Return which lines are records beyond doubt; ``has_quotes``: some have a quote."""
        ...

    def opens(self, line: str) -> bool:
        """Tell whether a record may go on in the next line."""
        ...

    def problem(self, text: str) -> str:
        """Return why ``text`` is no record, "" if it is one."""
        ...

    def read(self, lines: pl.Series) -> pl.DataFrame:
        """Return the cells of good lines."""
        ...


@dataclass(frozen=True)
class CsvRules:
    """Records of CSV: as many cells as the header has, quotes around whole cells only.

    Attributes:
        columns: Names of the columns.
        separator: Between the cells; one character.
        quoted: Whether quotes have a meaning.
    """

    columns: tuple[str, ...]
    separator: str
    quoted: bool = True

    def plain(self, lines: pl.Expr, has_quotes: bool) -> pl.Expr:
        """Return which lines have the right number of cells, and whole quoted ones."""
        if not (self.quoted and has_quotes):  # found out much faster
            return lines.str.count_matches(self.separator, literal=True) == len(self.columns) - 1
        bare = lines.str.replace_all(_QUOTED, _CELL)
        right = bare.str.count_matches(self.separator, literal=True) == len(self.columns) - 1
        return right & ~bare.str.contains(self._stray)

    def opens(self, line: str) -> bool:
        """Tell whether a quote is open at the end of the line."""
        return self.quoted and line.count('"') % 2 == 1

    def problem(self, text: str) -> str:
        """Return what is wrong with the cells of a record."""
        if not text:
            return "is blank"
        bare = re.sub(_QUOTED, _CELL, text) if self.quoted else text
        if self.quoted and '"' in bare:
            return "has a quote that does not end"
        if self.quoted and re.search(self._stray, bare):
            return "has a quote inside a cell"
        cells = bare.count(self.separator) + 1
        if cells == len(self.columns):
            return ""
        return f"has {cells} cell{'s' * (cells != 1)}, the header {len(self.columns)}"

    def read(self, lines: pl.Series) -> pl.DataFrame:
        """Return the cells of good lines, as text."""
        return pl.read_csv(
            _joined(lines),
            has_header=False,
            separator=self.separator,
            quote_char='"' if self.quoted else None,
            schema=dict.fromkeys(self.columns, pl.String),
            null_values=[""],
        )

    @property
    def _stray(self) -> str:
        separator = re.escape(self.separator)
        return rf'[^{separator}]{_CELL}|{_CELL}[^{separator}]|"'


@dataclass(frozen=True)
class JsonRules:
    """Records of JSON lines: one object a line; blank lines are none, and no fault either.

    Attributes:
        columns: The keys to read, as text.
    """

    columns: tuple[str, ...]

    def plain(self, lines: pl.Expr, has_quotes: bool) -> pl.Expr:
        """Return False everywhere: a line is known to be JSON once it is parsed."""
        return lines.is_null()

    def opens(self, line: str) -> bool:
        """Return False: every line stands for itself."""
        return False

    def problem(self, text: str) -> str:
        """Return why a line is no JSON object."""
        try:
            found = json.loads(text, parse_constant=_refuse_constant)
        except ValueError:
            return "is no JSON"
        return "" if isinstance(found, dict) else "is JSON, but no object"

    def read(self, lines: pl.Series) -> pl.DataFrame:
        """Return the values of good lines, as text."""
        return pl.read_ndjson(_joined(lines), schema=dict.fromkeys(self.columns, pl.String))


def has_bad_lines(path: Path, rules: CsvRules) -> bool:
    """Tell whether a CSV file may have lines that are no records; False is certain."""
    lines = pl.scan_lines(path)
    line = pl.col("line")
    has_quotes = rules.quoted and _any(lines, line.str.contains('"', literal=True))
    return _any(lines, ~rules.plain(line, has_quotes))


def bad_lines(path: Path, rules: Rules, *, header: bool) -> Iterator[BadLine]:
    """Yield the lines that are no records; ``header``: the first record is none to read."""
    for block in _blocks(path, rules, header=header):
        yield from block.bad


def scan_good_lines(path: Path, rules: Rules, *, header: bool) -> pl.LazyFrame:
    """Return a query over the good records, all cells text, and ``_row``, their numbers from 0."""

    def read(
        wanted: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for block in _blocks(path, rules, header=header):
            if not len(block.row):
                continue
            frame = rules.read(block.lines).with_columns(pl.Series("_row", block.row))
            frame = frame if wanted is None else frame.select(wanted)
            frame = frame if left is None else frame.head(left)
            left = left if left is None else left - frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    schema = {**dict.fromkeys(rules.columns, pl.String()), "_row": pl.Int64()}
    return register_io_source(read, schema=schema, is_pure=True)


def _any(lines: pl.LazyFrame, condition: pl.Expr) -> bool:
    return bool(lines.select(condition.any()).collect(engine="streaming").item())


def _has_quote(lines: pl.Series) -> bool:
    return bool(lines.str.contains('"', literal=True).any())


def _joined(lines: pl.Series) -> bytes:
    return lines.str.join("\n").item().encode() + b"\n"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _blocks(path: Path, rules: Rules, *, header: bool) -> Iterator[Block]:
    """Yield the records of a file some at a time, holding back one that is not whole yet."""
    blank = isinstance(rules, JsonRules)
    number, held = -int(header), pl.Series("line", [], dtype=pl.String)
    for batch in _batches(pl.scan_lines(path), skip_blank=blank):
        final = batch is None
        lines = held if batch is None else pl.concat([held, batch["line"]])
        cut, block = _divide(lines, rules, number, final=final)
        held = lines.slice(cut)
        number += len(block.row) + len(block.bad)
        block = _without_header(block) if header else block
        header = header and not len(lines)
        if len(block.row) or block.bad:
            yield block


def _batches(scan: pl.LazyFrame, *, skip_blank: bool) -> Iterable[pl.DataFrame | None]:
    """Yield the lines in blocks, then None."""
    scan = scan.filter(pl.col("line").str.contains(r"\S")) if skip_blank else scan
    yield from scan.collect_batches(chunk_size=_BLOCK, maintain_order=True)
    yield None


def _divide(lines: pl.Series, rules: Rules, number: int, *, final: bool) -> tuple[int, Block]:
    """Return how many lines were used, and their records, the first one numbered ``number``."""
    plain = lines.to_frame().select(rules.plain(pl.col("line"), _has_quote(lines))).to_series()
    suspects = np.flatnonzero(~plain.to_numpy()).tolist()
    texts = dict(zip(suspects, lines.gather(suspects).to_list(), strict=True))
    starts = np.ones(len(lines), dtype=bool)  # lines that begin a record
    problems: dict[int, str] = {}
    cut, begin = len(lines), 0
    for i, first in enumerate(suspects):
        if first < begin:
            continue
        end = _end_of_record(texts, suspects, i, rules)
        if end is None and not final and len(lines) - first <= LONGEST_RECORD:
            cut = first
            break
        alone = end is None or end == first
        whole = texts[first] if alone else "\n".join(lines[first : (end or first) + 1])
        if rules.problem(whole):
            problems[first] = rules.problem(texts[first])  # the line alone is left out
        elif end is not None:
            starts[first + 1 : end + 1], begin = False, end + 1
    return cut, _block(lines.head(cut), starts[:cut], problems, number)


def _end_of_record(texts: dict[int, str], suspects: list[int], i: int, rules: Rules) -> int | None:
    """Return the last line of the record that begins at ``suspects[i]``; None: not to be seen."""
    first = suspects[i]
    if not rules.opens(texts[first]):
        return first
    for line in suspects[i + 1 :]:
        if line - first > LONGEST_RECORD:
            return None
        if rules.opens(texts[line]):
            return line
    return None


def _block(
    lines: pl.Series, starts: Bool[np.ndarray, " L"], problems: dict[int, str], number: int
) -> Block:
    good = np.ones(len(lines), dtype=bool)
    good[list(problems)] = False
    rows = np.cumsum(starts, dtype=np.int64) - 1 + number
    bad = (BadLine(int(rows[line]), lines[line], why) for line, why in problems.items())
    return Block(lines.filter(pl.Series(good)), rows[starts & good], tuple(bad))


def _without_header(block: Block) -> Block:
    """Return the first block of a file without its first record, which is numbered -1."""
    if not len(block.row) or block.row[0] != -1:
        return block
    return Block(block.lines.slice(1), block.row[1:], block.bad)
