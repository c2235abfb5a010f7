"""Categorical columns as numbers, before it is known which values train shows."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Int64

from models.data.codes import FIRST, UNKNOWN, codes_of
from models.data.row_blocks import count, look_up
from models.data.vocabulary import FieldVocabulary


@dataclass(frozen=True)
class Fields:
    """Columns of one side, coded by every value there is, of train or not.

    Attributes:
        names: Names of the columns.
        values: The values of each column; value ``i`` has code ``i + 2``.
        codes: Rows × columns; 0 where there is no value.
        fitted: How many of each column's values, the first ones, have a code of their own already.
    """

    names: tuple[str, ...]
    values: tuple[pl.Series, ...]
    codes: Int32[np.ndarray, "R F"]
    fitted: tuple[int, ...] | None = None

    def take(self, rows: Int[np.ndarray, " S"]) -> "Fields":
        """Return some of the rows."""
        return Fields(self.names, self.values, self.codes[rows], self.fitted)

    def fit(
        self, counted: Bool[np.ndarray, " R"], min_count: int
    ) -> tuple[tuple[FieldVocabulary, ...], Int32[np.ndarray, "R F"]]:
        """Return the vocabularies of the values in ``counted`` rows, and all rows coded by them.

        Values that have a code keep it. Others get one, in their own order, where at least
        ``min_count`` of the counted rows have them.
        """
        vocabularies, coded = [], np.empty_like(self.codes)
        fitted = self.fitted or (0,) * len(self.names)
        for place, (name, values, before) in enumerate(
            zip(self.names, self.values, fitted, strict=True)
        ):
            column = self.codes[:, place]
            counts = count(column, counted, FIRST + len(values))
            known = _known(values, counts[FIRST:], before, min_count)
            vocabularies.append(FieldVocabulary(name=name, values=tuple(known.to_list())))
            table = np.r_[np.array([0, 1], np.int32), codes_of(values, known)]
            look_up(table, column, into=coded[:, place])
        return tuple(vocabularies), coded

    def unfitted(self, coded: Int32[np.ndarray, "R F"]) -> pl.DataFrame:
        """Return field, row and value wherever ``coded`` has no code for a value there is."""
        found = []
        for place, (name, values) in enumerate(zip(self.names, self.values, strict=True)):
            column = self.codes[:, place]
            rows = np.flatnonzero((coded[:, place] == UNKNOWN) & (column >= FIRST))
            text = values.cast(pl.String).gather(column[rows] - FIRST)
            found.append(
                pl.DataFrame(
                    {"field": pl.repeat(name, len(rows), dtype=pl.String, eager=True)}
                ).with_columns(row=pl.Series(rows, dtype=pl.Int64), value=text)
            )
        schema = {"field": pl.String, "row": pl.Int64, "value": pl.String}
        return pl.concat([pl.DataFrame(schema=schema), *found])


class GrowingValues:
    """The values of one column in order of first appearance, over any number of batches."""

    def __init__(self, known: pl.Series | None = None) -> None:
        self.values = pl.Series(dtype=pl.Null) if known is None else known

    def codes(self, column: pl.Series) -> Int32[np.ndarray, " N"]:
        """Return 2 + the place of each value, 0 for null; new values are added at the end."""
        if self.values.dtype == pl.Null:
            self.values = pl.Series(dtype=column.dtype)
        column = column.cast(self.values.dtype)
        found = column.drop_nulls().unique(maintain_order=True)
        self.values = pl.concat([self.values, found.filter(~found.is_in(self.values.implode()))])
        return codes_of(column, self.values)


def read_fields(frame: pl.DataFrame, names: tuple[str, ...]) -> Fields:
    """Return the columns of ``frame`` that ``names`` name."""
    growing = [GrowingValues() for _ in names]
    codes = np.empty((frame.height, len(names)), dtype=np.int32)
    for place, (name, values) in enumerate(zip(names, growing, strict=True)):
        codes[:, place] = values.codes(frame[name])
    return Fields(names, tuple(values.values for values in growing), codes)


def _known(
    values: pl.Series, counts: Int64[np.ndarray, " V"], before: int, min_count: int
) -> pl.Series:
    frequent = values[before:].filter(pl.Series(counts[before:] >= min_count, dtype=pl.Boolean))
    return pl.concat([values[:before], frequent.sort()])
