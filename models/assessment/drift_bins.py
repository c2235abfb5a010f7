"""How the values of a column fall into bins, learnt from the reference window alone."""

import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from models.assessment.drift_settings import DriftSettings

MISSING, NEW = "(missing)", "(not in the reference)"
NEW_AND_FREQUENT = "(not in the reference, yet frequent)"
FREQUENT_SHARE, FREQUENT_ROWS = 0.01, 10
FEW_VALUES = 20


@dataclass(frozen=True)
class Bins:
    """The bins of one column.

    Attributes:
        names: What each bin holds, in words.
        edges: Inner edges of the bins of numbers; None for categories.
        places: Categories: ``value`` and ``bin``; None for numbers.
        missing: Bin of missing values; None leaves such rows out.
        unseen: Bin of categories the reference has not; None hashes them into the buckets. Where
            there are many categories, the next bin holds those among them that are frequent: some
            rare values are always new, a frequent one is news.
        buckets: First bucket and number of buckets; (0, 0) without.
    """

    names: tuple[str, ...]
    edges: Float[np.ndarray, " E"] | None = None
    places: pl.DataFrame | None = None
    missing: int | None = None
    unseen: int | None = None
    buckets: tuple[int, int] = (0, 0)

    @property
    def many(self) -> bool:
        """Whether there were too many values to give each a bin."""
        return self.buckets[1] > 0

    def of(self, column: pl.Series) -> Int[np.ndarray, " N"]:
        """Return the bin of each value; -1 for rows left out."""
        empty = -1 if self.missing is None else self.missing
        if self.edges is not None:
            values = numbers(column)
            bins = np.searchsorted(self.edges, values.fill_null(0).to_numpy(), side="left")
            return np.where(values.is_null().to_numpy(), empty, bins)
        texts = pl.DataFrame({"value": column.cast(pl.String)})
        found = texts.join(self._all_places(texts), on="value", how="left", maintain_order="left")
        bins = found["bin"].fill_null(-1 if self.unseen is None else self.unseen).to_numpy()
        if self.unseen is not None and self.many:
            bins = np.where(_frequent(found), self.unseen + 1, bins)
        return np.where(texts["value"].is_null().to_numpy(), empty, bins)

    def _all_places(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Return the places, those of unseen values hashed where these have no bin of their own."""
        if self.places is None:
            raise ValueError("bins of numbers have edges, not places")
        if self.unseen is not None or not self.many:
            return self.places
        others = texts.unique().drop_nulls().join(self.places, on="value", how="anti")
        return pl.concat([self.places, _bucketed(others["value"], self.buckets)])


def _frequent(found: pl.DataFrame) -> Bool[np.ndarray, " N"]:
    """Return which rows have a value without a place that many rows have."""
    counts = found.filter(pl.col("bin").is_null()).group_by("value").agg(pl.len().alias("rows"))
    least = max(FREQUENT_ROWS, FREQUENT_SHARE * found.height)
    often = counts.filter(pl.col("rows") >= least)["value"].drop_nulls()
    return found["value"].is_in(often.implode()).fill_null(False).to_numpy()


def numbers(column: pl.Series) -> pl.Series:
    """Return the column as floats with one kind of missing value: null."""
    values = column.cast(pl.Float64, strict=False).rename("value").to_frame()
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value")).otherwise(None)
    return values.select(finite.alias("value"))["value"]


def number_bins(column: pl.Series, bins: int) -> Bins:
    """Return bins of equal share in the reference, and one of missing values."""
    edges = quantile_edges(numbers(column).drop_nulls().to_numpy(), bins)
    words = [f"{edge:.4g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(words)]
    names = [f"up to {words[0]}", *between, f"over {words[-1]}"] if words else ["any value"]
    return Bins(names=(*names, MISSING), edges=edges, missing=len(edges) + 1)


def quantile_edges(
    values: Float[np.ndarray, " N"] | Int[np.ndarray, " N"], bins: int
) -> Float[np.ndarray, " E"]:
    """Return the inner edges that divide ``values`` into bins of equal share."""
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))


def category_bins(column: pl.Series, *, missing: bool) -> Bins:
    """Return a bin for each of few categories, one for those yet unseen, one for missing ones."""
    values = column.cast(pl.String).drop_nulls().unique().sort()
    size = len(values)
    places = pl.DataFrame({"value": values, "bin": np.arange(size)})
    names = (*values, NEW, *((MISSING,) if missing else ()))
    return Bins(names, places=places, unseen=size, missing=size + 1 if missing else None)


def top_bins(
    column: pl.Series,
    chosen: Bool[np.ndarray, " N"],
    settings: DriftSettings,
    *,
    top: int,
    least_rows: float,
    missing: bool,
    unseen: bool = True,
) -> Bins:
    """Return bins for the most frequent of many categories, and buckets that hold the rest.

    A category that is on top owes it to chance in part, and has less elsewhere. Who is on top is
    therefore decided by the ``chosen`` rows, and counted on the others.

    Args:
        column: The reference's values.
        chosen: The rows that decide.
        settings: Says how many buckets there are.
        top: Most categories kept.
        least_rows: Fewest of the chosen rows that a category kept has.
        missing: Whether missing values have a bin; else they are left out.
        unseen: Whether values that no chosen row has get a bin; else they are hashed.
    """
    counts = (
        pl.DataFrame({"value": column.cast(pl.String)})
        .filter(pl.Series(chosen))
        .drop_nulls()
        .group_by("value")
        .agg(pl.len().alias("rows"))
        .sort(["rows", "value"], descending=[True, False])
    )
    kept = counts.filter(pl.col("rows") >= least_rows).head(top)
    size, buckets = kept.height, settings.hash_buckets
    places = pl.DataFrame({"value": kept["value"], "bin": np.arange(size)})
    rest = _bucketed(counts["value"].slice(size), (size, buckets))
    names = [*kept["value"], *(f"others, bucket {i + 1}" for i in range(buckets))]
    names += [NEW, NEW_AND_FREQUENT] * unseen + [MISSING] * missing
    return Bins(
        tuple(names),
        places=pl.concat([places, rest]),
        buckets=(size, buckets),
        unseen=size + buckets if unseen else None,
        missing=len(names) - 1 if missing else None,
    )


def _bucketed(values: pl.Series, buckets: tuple[int, int]) -> pl.DataFrame:
    first, number = buckets
    places = [first + zlib.crc32(value.encode()) % number for value in values]
    return pl.DataFrame({"value": values, "bin": pl.Series(places, dtype=pl.Int64)})
