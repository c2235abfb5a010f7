"""How columns as users have them become canonical ones: ids, times, labels, features."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from models.data.datasets.conversions import Conversion, Converter, Fault, typed
from models.data.datasets.generic_settings import LabelRule, LabelValue, TimeUnit
from models.errors import SchemaError

EARLIEST_S = int(dt.datetime(1990, 1, 1, tzinfo=dt.UTC).timestamp())
LATEST_S = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp())
WHOLE_NUMBER = r"^(0|-?[1-9]\d{0,17})$"
"""Text that stays what it is when it is read as a number and written again."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_TRUE, _FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")
_DATE = r"(\d{4}[-/]\d\d[-/]\d\d)"
_CLOCK = r"(\d\d:\d\d(?::\d\d)?)"
_ISO = rf"^{_DATE}(?:[T ]{_CLOCK}(?:[.,]\d+)?\s*(?:[Zz]|[+-]\d\d:?(?:\d\d)?)?)?$"
_ZONE = r":\d\d(?:[.,]\d+)?\s*([+-])(\d\d):?(\d\d)?$"


def timestamps(unit: TimeUnit) -> Converter:
    """Return the reading of times as whole UTC seconds; outside 1990 … 2099 is another unit."""

    def conversion(column: str, dtype: pl.DataType, where: str) -> Conversion:
        cell = pl.col(column)
        if dtype.is_temporal():
            value = cell.cast(pl.Datetime("us")).dt.epoch("s")
            return Conversion(value, (Fault(value.is_null(), "is no time", "a time"),))
        if unit == "iso":
            return _iso(cell)
        moment = typed(cell, dtype, pl.Float64)
        per_second = _PER_SECOND[unit]
        inside = (moment.value / per_second).is_between(EARLIEST_S, LATEST_S, closed="left")
        wrong = Fault(
            ~inside.fill_null(True),
            f"is no time between 1990 and 2100 in {unit}",
            f"{EARLIEST_S * per_second} to {LATEST_S * per_second}",
            _likely_unit,
        )
        whole = cell if dtype.is_integer() else moment.value.floor()
        value = whole.cast(pl.Int64, strict=False) // per_second
        return Conversion(value, (*moment.faults, wrong), _outside)

    return conversion


def labels(rule: LabelRule) -> Converter:
    """Return the reading of labels as 1, 0, or null for a row to drop."""

    def conversion(column: str, dtype: pl.DataType, where: str) -> Conversion:
        if rule.above is not None:
            score = typed(pl.col(column), dtype, pl.Float64)
            below = rule.above if rule.below is None else rule.below
            zero = score.value <= below if rule.below is None else score.value < below
            return Conversion(_choose(score.value > rule.above, zero), score.faults)
        text = typed(pl.col(column).cast(pl.String), pl.String, pl.String)
        if rule.positive is not None:
            one = text.value.is_in(_texts(rule.positive))
            negative = rule.negative
            zero = ~one if negative is None else text.value.is_in(_texts(negative))
            return Conversion(_choose(one, zero), text.faults)
        lower = text.value.str.to_lowercase()  # not replace_strict, which needs all rows at once
        found = _choose(lower.is_in(_TRUE), lower.is_in(_FALSE))
        unknown = Fault(found.is_null(), "is no label", "0, 1, true, false; or set label")
        return Conversion(found, (*text.faults, unknown))

    return conversion


def numbers(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of a feature; empty is missing, but NaN and infinity are mistakes."""
    read = typed(pl.col(column), dtype, pl.Float64, required=False)
    finite = read.value.is_finite().fill_null(True)
    wrong = Fault(~finite, "is no finite number", "a number, or an empty cell")
    return Conversion(
        read.value,
        (*read.faults, wrong),
        lambda v: read.suspect(v) | ~v.is_finite().fill_null(True),
    )


def ids(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of ids: Int64 where the file has a number type, text otherwise.

    Raises:
        SchemaError: the column's type cannot hold ids.
    """
    return _ids(column, dtype, where, required=True)


def optional_ids(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of ids that a row may lack.

    Raises:
        SchemaError: the column's type cannot hold ids.
    """
    return _ids(column, dtype, where, required=False)


def whole_numbers(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of a whole number in every row."""
    return typed(pl.col(column), dtype, pl.Int64)


def texts(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of text, null where there is none.

    Raises:
        SchemaError: the column's type is none of text.
    """
    if dtype.is_nested() or dtype == pl.Binary:
        raise SchemaError(
            f"Column {column!r} has type {dtype}.",
            where=f"{where}, column {column}",
            allowed="text",
            do="Map another column.",
        )
    return Conversion(pl.col(column).cast(pl.String).str.strip_chars())


def filled_texts(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of text, "" where there is none.

    Raises:
        SchemaError: the column's type is none of text.
    """
    return Conversion(texts(column, dtype, where).value.fill_null(""))


def categories(column: str, dtype: pl.DataType, where: str) -> Conversion:
    """Return the reading of a category: whole numbers and truth values as they are, else text.

    Raises:
        SchemaError: the column's type is none of a category.
    """
    if dtype.is_integer() or dtype == pl.Boolean:
        return Conversion(pl.col(column))
    return texts(column, dtype, where)


def _ids(column: str, dtype: pl.DataType, where: str, *, required: bool) -> Conversion:
    if dtype.is_integer() or dtype.is_float():
        return typed(pl.col(column), dtype, pl.Int64, required=required)
    if dtype in (pl.String, pl.Categorical, pl.Null):
        return typed(pl.col(column).cast(pl.String), pl.String, pl.String, required=required)
    raise SchemaError(
        f"Column {column!r} has type {dtype}, which cannot hold ids.",
        where=f"{where}, column {column}",
        allowed="whole numbers or text",
        do="Map another column, or export this one as text.",
    )


def _iso(cell: pl.Expr) -> Conversion:
    """Return the reading of ISO 8601 times, each by itself: the forms may change within a file."""
    text = typed(cell.cast(pl.String), pl.String, pl.String)
    fits = pl.when(text.value.str.contains(_ISO)).then(text.value)
    date = fits.str.slice(0, 10).str.replace_all("/", "-", literal=True)
    clock = fits.str.extract(_CLOCK).fill_null("00:00")
    clock = pl.when(clock.str.len_bytes() == 5).then(clock + ":00").otherwise(clock)
    local = (date + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    hours, minutes = (fits.str.extract(_ZONE, i).cast(pl.Int64).fill_null(0) for i in (2, 3))
    ahead = hours * 3600 + minutes * 60
    ahead = pl.when(fits.str.extract(_ZONE, 1) == "-").then(-ahead).otherwise(ahead)
    value = local.dt.epoch("s") - ahead
    wrong = Fault(value.is_null(), "is no ISO 8601 time", "such as 2024-05-01T12:00:00Z")
    return Conversion(value, (*text.faults, wrong))


def _outside(seconds: pl.Expr) -> pl.Expr:
    return ~seconds.is_between(EARLIEST_S, LATEST_S, closed="left").fill_null(value=False)


def _likely_unit(value: object) -> str:
    for unit, scale in _PER_SECOND.items():
        if EARLIEST_S <= float(str(value)) / scale < LATEST_S:
            return f"; it looks like {unit}: set time_unit: {unit}"
    return ""


def _texts(values: Sequence[LabelValue]) -> list[str]:
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]


def _choose(one: pl.Expr, zero: pl.Expr) -> pl.Expr:
    return pl.when(one).then(1).when(zero).then(0).otherwise(None).cast(pl.Int8)
