"""Rows that cannot be used: how many there may be, and what is kept to show of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
from pydantic import Field, NonNegativeInt

from models.data.schema import DirtyCount, Fact
from models.errors import SchemaError
from models.settings import Settings

SAMPLE_SCHEMA = {
    "table": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "column": pl.String,
    "value": pl.String,
    "reason": pl.String,
}
_LONGEST_VALUE = 200


class DirtyRows(Settings):
    """What to do with rows that cannot be used.

    A row is dirty when one of its cells is not what its column has to hold, when a required one is
    empty, or when its line is no record at all: too few or too many cells, a stray quote, no JSON.

    Attributes:
        policy: ``fatal`` ends with an error that names the first; ``drop`` leaves them out.
        max_share: With ``drop``, the share of a table's rows above which it is an error after all.
        samples: Rows shown of each reason.
    """

    policy: Literal["fatal", "drop"] = "fatal"
    max_share: float = Field(default=0.01, ge=0, le=1)
    samples: NonNegativeInt = 20


@dataclass(frozen=True)
class Sample:
    """One dirty row, for the report.

    Attributes:
        file: Where it is.
        row: Its number in the file, from 1, the header not counted.
        column: The first column at fault; "" where the whole line is.
        value: What stands there.
        reason: What is wrong with it: "is no number".
    """

    file: str
    row: int
    column: str
    value: str | None
    reason: str


@dataclass
class Tally:
    """The dirty rows of a table, counted as its files are read.

    Attributes:
        table: The canonical table.
        settings: How many there may be.
        read: Rows read, dirty ones too.
        counts: Dirty rows by column and reason; a row counts once, by its first fault.
        samples: Some of them, up to ``settings.samples`` of each column and reason.
    """

    table: str
    settings: DirtyRows
    read: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def add(self, column: str, reason: str, rows: int, samples: Iterable[Sample]) -> None:
        """Count ``rows`` dirty rows, and keep of ``samples`` as many as are still wanted."""
        wanted = self.settings.samples - sum(
            (sample.column, sample.reason) == (column, reason) for sample in self.samples
        )
        self.counts[column, reason] += rows
        self.samples += list(samples)[: max(wanted, 0)]

    def check(self) -> None:
        """Raise `SchemaError` where more rows are dirty than the settings allow."""
        dirty = sum(self.counts.values())
        if dirty <= self.settings.max_share * self.read:
            return
        first = min(self.samples, key=lambda sample: sample.row, default=None)
        raise SchemaError(
            f"{dirty} of {self.read} rows of table {self.table!r} "
            f"({100 * dirty / self.read:.2g} %) are dirty: {self._summary()}.",
            where="" if first is None else f"{first.file}, row {first.row}, {_named(first.column)}",
            allowed=f"dirty_rows.max_share: {self.settings.max_share:g} of the rows",
            do="Correct the file or the mapping; or raise dirty_rows.max_share, if that many rows "
            "can be spared.",
        )

    def facts(self) -> dict[str, Fact]:
        """Return the number of dirty rows, if there are any."""
        dirty = sum(self.counts.values())
        return {f"{self.table}_dropped_as_dirty": dirty} if dirty else {}

    def summary(self) -> tuple[DirtyCount, ...]:
        """Return the counts, the most frequent first."""
        return tuple(
            DirtyCount(table=self.table, column=column, reason=reason, rows=rows)
            for (column, reason), rows in self.counts.most_common()
        )

    def frame(self) -> pl.DataFrame:
        """Return the samples as a table."""
        rows = [
            (self.table, s.file, s.row, s.column, _shortened(s.value), s.reason)
            for s in sorted(self.samples, key=lambda s: (s.file, s.row))
        ]
        return pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row")

    def _summary(self) -> str:
        return "; ".join(
            f"{_named(column)} {reason} ({rows})"
            for (column, reason), rows in self.counts.most_common(5)
        )


def _named(column: str) -> str:
    return f"column {column}" if column else "the line"


def _shortened(value: str | None) -> str | None:
    return value if value is None or len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "…"
