"""Turns columns as users have them into canonical ones; the first wrong row is named."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from models.data.datasets.generic_settings import LabelRule, LabelValue, TimeUnit
from models.data.datasets.rawfiles import bad_value, convert
from models.errors import SchemaError

EARLIEST_S = int(dt.datetime(1990, 1, 1, tzinfo=dt.UTC).timestamp())
LATEST_S = int(dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp())
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_TRUTH = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "true": 1, "false": 0}


def timestamps(column: pl.Series, unit: TimeUnit, where: str) -> pl.Series:
    """Return times as whole UTC seconds.

    Raises:
        SchemaError: a value is no time, or lies outside 1990 … 2099 and so is of another unit.
    """
    if column.dtype.is_temporal():
        return _required(column.cast(pl.Datetime("us")).dt.epoch("s"), column, where)
    if unit == "iso":
        return _from_iso(column, where)
    moments = convert(column, pl.Float64, where)
    wrong = ~(moments / _PER_SECOND[unit]).is_between(EARLIEST_S, LATEST_S, closed="left")
    if wrong.any():
        value = float(moments[wrong.arg_max() or 0])
        raise bad_value(
            column,
            wrong,
            f"is no time between 1990 and 2100 in {unit}{_likely_unit(value)}",
            where,
            allowed=f"{EARLIEST_S * _PER_SECOND[unit]} to {LATEST_S * _PER_SECOND[unit]}",
        )
    whole = column if column.dtype.is_integer() else moments.floor()
    return whole.cast(pl.Int64) // _PER_SECOND[unit]


def labels(column: pl.Series, rule: LabelRule, where: str) -> pl.Series:
    """Return 1, 0, or null for a row to drop.

    Raises:
        SchemaError: a value is empty, or is none of those that the rule names.
    """
    if rule.above is not None:
        score = convert(column, pl.Float64, where)
        zero = score <= rule.above if rule.below is None else score < rule.below
        return _choose(score > rule.above, zero)
    text = convert(column.cast(pl.String), pl.String, where)
    if rule.positive is not None:
        one = text.is_in(_texts(rule.positive))
        return _choose(one, ~one if rule.negative is None else text.is_in(_texts(rule.negative)))
    found = text.str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=pl.Int8)
    if found.null_count():
        raise bad_value(
            column, found.is_null(), "is no label", where, allowed="0, 1, true, false; or set label"
        )
    return found


def numbers(column: pl.Series, where: str) -> pl.Series:
    """Return a numeric feature; empty is missing, but NaN and infinity are mistakes.

    Raises:
        SchemaError: naming the first row that holds no finite number.
    """
    values = convert(column, pl.Float64, where, required=False)
    wrong = ~values.is_finite().fill_null(True)
    if wrong.any():
        raise bad_value(
            column, wrong, "is no finite number", where, allowed="a number, or an empty cell"
        )
    return values


def ids(column: pl.Series, where: str, *, required: bool = True) -> pl.Series:
    """Return ids as Int64 where the file has an integer type, and as text otherwise.

    Raises:
        SchemaError: an id is missing, or the column's type cannot hold ids.
    """
    if column.dtype.is_integer():
        return convert(column, pl.Int64, where, required=required)
    if column.dtype in (pl.String, pl.Categorical, pl.Null):
        return convert(column.cast(pl.String), pl.String, where, required=required)
    if column.dtype.is_float():
        return convert(column, pl.Int64, where, required=required)
    raise SchemaError(
        f"Column {column.name!r} has type {column.dtype}, which cannot hold ids.",
        where=f"{where}, column {column.name}",
        allowed="whole numbers or text",
        do="Map another column, or export this one as text.",
    )


def are_whole(columns: Sequence[pl.Series]) -> bool:
    """Tell whether all ids in ``columns`` are whole numbers that keep their text as numbers."""
    return all(
        column.dtype.is_integer()
        or bool(column.drop_nulls().str.contains(r"^(0|-?[1-9]\d{0,17})$").all())
        for column in columns
    )


def _required(values: pl.Series, column: pl.Series, where: str) -> pl.Series:
    if values.null_count():
        raise bad_value(column, values.is_null(), "is no time", where, allowed="a time")
    return values


def _from_iso(column: pl.Series, where: str) -> pl.Series:
    text = convert(column.cast(pl.String), pl.String, where)
    try:
        parsed = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    except pl.exceptions.ComputeError:  # not even the first value looks like a time
        parsed = pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us", "UTC"))
    bad = parsed.is_null()
    if bad.any():
        raise bad_value(
            column, bad, "is no ISO 8601 time", where, allowed="such as 2024-05-01T12:00:00Z"
        )
    return parsed.dt.epoch("s")


def _likely_unit(value: float) -> str:
    for unit, scale in _PER_SECOND.items():
        if EARLIEST_S <= value / scale < LATEST_S:
            return f"; it looks like {unit}: set time_unit: {unit}"
    return ""


def _texts(values: Sequence[LabelValue]) -> list[str]:
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]


def _choose(one: pl.Series, zero: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"one": one, "zero": zero})
    choice = pl.when("one").then(1).when("zero").then(0).otherwise(None).cast(pl.Int8)
    return frame.select(choice.alias("label")).to_series()
