"""Cells of known raw formats as typed columns, read in passes; rows that do not fit are named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl

from models.data.datasets.columns import EARLIEST_S, LATEST_S
from models.data.datasets.conversions import wrong_cell
from models.data.datasets.dirty_rows import Sample, Tally
from models.data.datasets.formats import named_faults
from models.data.schema import Fact
from models.data.tables import Tables, TableScan

AnyTables = TypeVar("AnyTables", Tables, TableScan)
Kind = Literal["text", "whole", "number", "flag", "seconds", "milliseconds"]
_NAMES: Mapping[Kind, str] = {
    "text": "text",
    "whole": "whole number",
    "number": "number",
    "flag": "0 or 1",
    "seconds": "time between 1990 and 2100 in seconds",
    "milliseconds": "time between 1990 and 2100 in milliseconds",
}


@dataclass(frozen=True)
class Cell:
    """A column of a raw file.

    Attributes:
        source: Its name in the file.
        kind: What its cells hold; times become whole UTC seconds.
        required: Whether every row must have it.
        none: Words that stand for a missing value, beside an empty cell.
    """

    source: str
    kind: Kind
    required: bool = True
    none: tuple[str, ...] = ()

    def given(self, dtype: pl.DataType) -> pl.Expr:
        """Return the cell as the file has it, null where it is missing."""
        if dtype != pl.String:
            return pl.col(self.source)
        text = pl.col(self.source).str.strip_chars()
        missing = text == ""
        for word in self.none:  # a chain, and no `replace`, which does not stream
            missing |= text == word
        return pl.when(~missing).then(text)

    def faults(self, dtype: pl.DataType) -> list["CellFault"]:
        """Return what can be wrong with the cell, each with the rows where it is."""
        given, kind = self.given(dtype), _NAMES[self.kind]
        wrong = self.typed(dtype).is_null() & given.is_not_null()
        faults = [CellFault(self.source, wrong, f"is no {kind}", kind)]
        if self.required:
            faults.append(
                CellFault(self.source, given.is_null(), "is empty", f"a {kind} in every row")
            )
        return faults

    def typed(self, dtype: pl.DataType) -> pl.Expr:
        """Return the value, null where the cell holds none of its kind."""
        value = self.given(dtype)
        if self.kind == "text":
            return value.cast(pl.String)
        if self.kind == "number":
            number = value.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        whole = value.cast(pl.Int64, strict=False)
        if self.kind == "whole":
            return whole
        if self.kind == "flag":
            return pl.when(whole.is_in([0, 1])).then(whole)
        seconds = whole // 1000 if self.kind == "milliseconds" else whole
        return pl.when(seconds.is_between(EARLIEST_S, LATEST_S, closed="left")).then(seconds)


@dataclass(frozen=True)
class CellFault:
    """A way in which a cell can be wrong.

    Attributes:
        source: Its column in the file.
        bad: Where it is; never null.
        problem: What to say of it.
        allowed: What would have been right.
    """

    source: str
    bad: pl.Expr
    problem: str
    allowed: str


def typed_rows(
    scan: pl.LazyFrame, path: Path, cells: Mapping[str, Cell], tally: Tally
) -> pl.LazyFrame:
    """Return the cells of a file under the names of ``cells``, and ``row``: its number, from 0.

    The file is read once here, to count its rows and those with a cell that does not fit.

    Args:
        scan: The file's rows, cells as text or typed.
        path: The file, for messages.
        cells: What each new column is made of.
        tally: Where rows are counted; it says whether those that do not fit are left out.

    Raises:
        SchemaError: a cell is empty although required, or not of its kind; names the first.
        DataError: the file cannot be read.
    """
    schema = scan.collect_schema()
    faults = [fault for cell in cells.values() for fault in cell.faults(schema[cell.source])]
    values = {name: cell.typed(schema[cell.source]) for name, cell in cells.items()}
    rows = scan.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    misfit = pl.any_horizontal(fault.bad for fault in faults)
    with named_faults(path):
        read, misfits = scan.select(pl.len(), misfit.sum()).collect(engine="streaming").row(0)
        tally.read += read
        if not misfits:
            return rows.select("row", **values)
        _count(rows.filter(misfit), path, faults, tally)
    return rows.filter(~misfit).select("row", **values)


def _count(misfits: pl.LazyFrame, path: Path, faults: Sequence[CellFault], tally: Tally) -> None:
    """Count rows by their first fault, or raise `SchemaError` for the first of them."""
    code = pl.lit(None, dtype=pl.UInt16)
    for number, fault in reversed(list(enumerate(faults))):
        code = pl.when(fault.bad).then(pl.lit(number, dtype=pl.UInt16)).otherwise(code)
    found = misfits.group_by(code.alias("fault")).agg(pl.len(), pl.col("row").min())
    for number, count, first in found.collect(engine="streaming").sort("row").rows():
        fault = faults[number]
        shown = misfits.filter(code == number).select("row", fault.source)
        fatal = tally.settings.policy == "fatal"
        samples = shown.head(1 if fatal else tally.settings.samples).collect().rows()
        if fatal:
            place = f"{path}, row {first + 1}, column {fault.source}"
            value = samples[0][1]
            raise wrong_cell(fault.source, value, fault.problem, count, place, fault.allowed)
        tally.add(fault.source, fault.problem, count, [
            Sample(str(path), row + 1, fault.source, str(value or ""), fault.problem)
            for row, value in samples
        ])  # fmt: skip


def usable(tally: Tally) -> int:
    """Return how many rows were read and fit."""
    return tally.read - sum(tally.counts.values())


def with_tallies(tables: AnyTables, tallies: Sequence[Tally]) -> AnyTables:
    """Return the tables with what was counted: reads, rows left out and samples of these.

    Raises:
        SchemaError: more rows of a table do not fit than the settings allow.
    """
    facts: dict[str, Fact] = {}
    for tally in tallies:
        tally.check()
        facts |= {f"{tally.table}_read": tally.read} | tally.facts()
    counts = tuple(count for tally in tallies for count in tally.summary())
    spec = tables.spec.model_copy(update={"facts": facts | tables.spec.facts, "dirty_rows": counts})
    samples = pl.concat([tally.frame() for tally in tallies])
    return replace(tables, spec=spec, dirty_rows=samples)
