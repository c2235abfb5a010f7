"""Converting a column without losing a value: the value, and the ways in which a cell can be wrong.

A conversion is a pair of Polars expressions, so that it runs on a table in memory and on a file
larger than memory alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from polars.datatypes import DataTypeClass

from models.errors import SchemaError

KIND_NAMES = {pl.Int64: "whole number", pl.Float64: "number", pl.String: "text"}


def no_hint(value: object) -> str:
    """Return nothing: what a fault has to add that can be said without looking at the value."""
    return ""


@dataclass(frozen=True)
class Fault:
    """A way in which a cell can be wrong.

    Attributes:
        bad: True where it is; never null.
        problem: What to say after "Value 'x' of column 'price'": "is no number".
        allowed: What would have been right.
        hint: What to add, having seen a value.
    """

    bad: pl.Expr
    problem: str
    allowed: str
    hint: Callable[[object], str] = no_hint


@dataclass(frozen=True)
class Conversion:
    """What becomes of a column.

    Attributes:
        value: The converted cell.
        faults: What can be wrong with a cell; the first that is true tells.
        suspect: From the converted value, a quick test that is true wherever a fault is, and seldom
            elsewhere: the faults are looked for in the rows where it is.
    """

    value: pl.Expr
    faults: tuple[Fault, ...] = ()
    suspect: Callable[[pl.Expr], pl.Expr] = pl.Expr.is_null


Converter = Callable[[str, pl.DataType, str], Conversion]
"""From a column's name, its type and where it is (for messages), how to convert it."""


def typed(
    cell: pl.Expr,
    given: pl.DataType | DataTypeClass,
    wanted: DataTypeClass,
    *,
    required: bool = True,
) -> Conversion:
    """Return the conversion of ``cell``, of type ``given``, to ``wanted``; empty text is missing.

    NaN is no number where one is ``required``, and 2.5 no whole number.
    """
    kind = KIND_NAMES.get(wanted, str(wanted))
    if given == pl.String:
        cell = cell.str.strip_chars()
        cell = pl.when(cell != "").then(cell)
    cast = cell.cast(wanted, strict=False)
    bad = cast.is_null() & cell.is_not_null()
    if required and wanted == pl.Float64:
        bad |= cast.is_nan().fill_null(False)
    if wanted.is_integer() and given.is_float():
        bad |= (cast.cast(pl.Float64) != cell).fill_null(False)
    faults = [Fault(bad, f"is no {kind}", kind)]
    if required:
        faults.append(Fault(cast.is_null(), "is empty", f"a {kind} in every row"))
    if wanted == pl.String and not required:
        return Conversion(cast)

    def suspect(value: pl.Expr) -> pl.Expr:
        wrong = value.is_null() if required else value.is_null() & cell.is_not_null()
        wrong = wrong | value.is_nan() if wanted == pl.Float64 else wrong
        return wrong | (value != cell) if wanted.is_integer() and given.is_float() else wrong

    return Conversion(cast, tuple(faults), suspect)


def convert(
    column: pl.Series, dtype: DataTypeClass, where: str, *, required: bool = True
) -> pl.Series:
    """Return ``column`` as ``dtype``; no value may be lost.

    Raises:
        SchemaError: naming the first row that holds something else, or nothing although
            ``required``; rows are counted from 1, a CSV file's header not being one.
    """
    frame = pl.DataFrame({"cell": column})
    conversion = typed(pl.col("cell"), column.dtype, dtype, required=required)
    for fault in conversion.faults:
        bad = frame.select(fault.bad).to_series()
        if bad.any():
            raise bad_value(column, bad, fault.problem, where, allowed=fault.allowed)
    return frame.select(conversion.value).to_series().rename(column.name)


def bad_value(
    column: pl.Series, bad: pl.Series, problem: str, where: str, *, allowed: str
) -> SchemaError:
    """Return the error for a column with ``bad`` rows: the first one, and how many there are."""
    row = bad.arg_max() or 0
    place = f"{where}, row {row + 1}, column {column.name}"
    return wrong_cell(column.name, column[row], problem, int(bad.sum()), place, allowed)


def wrong_cell(
    column: str, value: object, problem: str, count: int, where: str, allowed: str
) -> SchemaError:
    """Return the error for the first of ``count`` wrong cells of a column."""
    shown = "" if value is None else f" {value!r}"
    return SchemaError(
        f"Value{shown} of column {column!r} {problem} ({count} such row{'s' * (count != 1)}).",
        where=where,
        allowed=allowed,
        do="Correct the values, or map another column in the data set's configuration.",
    )
