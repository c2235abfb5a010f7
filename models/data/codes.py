"""The code of an id or value: 0 = padding or missing, 1 = unknown, from 2 on the known ones."""

import numpy as np
import polars as pl
from jaxtyping import Int32, Int64

MISSING, UNKNOWN, FIRST = 0, 1, 2
_SPARSEST = 8  # a direct table may have this many places an id, and this many more:
_ROOM = 1 << 16
_FEW_TEXTS = 1 << 10  # an enumeration is made anew for each column, and costs more than a join's


class CodeTable:
    """Codes of ids, for many columns against the same known ids.

    Whole numbers that lie close together are looked up directly, several times faster than joined.

    Args:
        known: The known ids, each once; id ``i`` has code ``i + 2``.
    """

    def __init__(self, known: pl.Series) -> None:
        self.known = known
        self._low, self._direct = _direct(known)

    def codes(self, column: pl.Series) -> Int32[np.ndarray, " N"]:
        """Return 0 where ``column`` is null, else 2 + the position among the known, else 1."""
        if self._direct is None or column.dtype != pl.Int64:
            return codes_of(column.cast(self.known.dtype), self.known)
        codes = self._looked_up(self._direct, column.fill_null(self._low).to_numpy() - self._low)
        if column.null_count():
            codes[column.is_null().to_numpy()] = MISSING
        return codes

    @staticmethod
    def _looked_up(
        table: Int32[np.ndarray, " P"], place: Int64[np.ndarray, " N"]
    ) -> Int32[np.ndarray, " N"]:
        if not len(place) or (place.min() >= 0 and place.max() < len(table)):
            return table[place]
        inside = (place >= 0) & (place < len(table))
        codes = table[np.where(inside, place, 0)]
        codes[~inside] = UNKNOWN
        return codes


def codes_of(column: pl.Series, known: pl.Series) -> Int32[np.ndarray, " N"]:
    """Return 0 where ``column`` is null, else 2 + the position in ``known``, else 1."""
    if column.dtype == known.dtype == pl.String and len(known) <= _FEW_TEXTS:
        return _of_few_texts(column, known)
    table = pl.DataFrame({"value": known, "code": np.arange(FIRST, FIRST + len(known), dtype="i4")})
    codes = (
        pl.DataFrame({"value": column})
        .join(table, on="value", how="left", maintain_order="left")
        .select(pl.when(pl.col("value").is_null()).then(MISSING).otherwise(pl.col("code")))
    )
    return codes.to_series().fill_null(UNKNOWN).cast(pl.Int32).to_numpy()


def _of_few_texts(column: pl.Series, known: pl.Series) -> Int32[np.ndarray, " N"]:
    """Return the codes in one pass, without the tables of a join."""
    places = column.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int32)
    codes = (places + FIRST).fill_null(UNKNOWN).to_numpy()
    if column.null_count():
        codes = np.where(column.is_null().to_numpy(), np.int32(MISSING), codes)
    return codes


def _direct(known: pl.Series) -> tuple[int, Int32[np.ndarray, " P"] | None]:
    """Return the lowest id and the code of every number from it on; no table for sparse ids."""
    if known.dtype != pl.Int64 or not len(known) or known.null_count():
        return 0, None
    ids = known.to_numpy()
    low, high = int(ids.min()), int(ids.max())
    if high - low >= _SPARSEST * len(ids) + _ROOM:
        return 0, None
    table = np.full(high - low + 1, UNKNOWN, dtype=np.int32)
    table[ids - low] = np.arange(FIRST, FIRST + len(ids), dtype=np.int32)
    return low, table
