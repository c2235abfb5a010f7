"""The code of an id or value: 0 = padding or missing, 1 = unknown, from 2 on the known ones."""

import numpy as np
import polars as pl
from jaxtyping import Int32

MISSING, UNKNOWN, FIRST = 0, 1, 2


def codes_of(column: pl.Series, known: pl.Series) -> Int32[np.ndarray, " N"]:
    """Return 0 where ``column`` is null, else 2 + the position in ``known``, else 1."""
    table = pl.DataFrame({"value": known, "code": np.arange(FIRST, FIRST + len(known), dtype="i4")})
    codes = (
        pl.DataFrame({"value": column})
        .join(table, on="value", how="left", maintain_order="left")
        .select(pl.when(pl.col("value").is_null()).then(MISSING).otherwise(pl.col("code")))
    )
    return codes.to_series().fill_null(UNKNOWN).cast(pl.Int32).to_numpy()
