"""Columns of two windows, in the form drift is measured in: few categories, or bins."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from steps.adapters.evidently_settings import DriftConfig, Group

MISSING = "(missing)"
_FEW_VALUES = 20


@dataclass(frozen=True)
class Comparison:
    """One column of both windows.

    Attributes:
        name: The column; for missing values of a numeric one, "<column> is missing".
        group: What it is about.
        numeric: Whether the values are numbers, compared in bins of the reference's quantiles.
        reference: The reference window's values without nulls.
        current: The current window's values without nulls.
        reference_bins: Bin of each reference row.
        current_bins: Bin of each current row.
        reference_units: Unit of each reference row, or None.
        current_units: Unit of each current row, or None.
    """

    name: str
    group: Group
    numeric: bool
    reference: pl.Series
    current: pl.Series
    reference_bins: Int[np.ndarray, " R"]
    current_bins: Int[np.ndarray, " C"]
    reference_units: pl.Series | None = None
    current_units: pl.Series | None = None

    @property
    def num_bins(self) -> int:
        """Number of bins over both windows."""
        return int(max(self.reference_bins.max(initial=0), self.current_bins.max(initial=0))) + 1


def group_of(name: str) -> Group:
    """Return what the column called ``name`` is about."""
    if name == "label":
        return "label"
    if name == "score":
        return "scores"
    if name.startswith("sid_"):
        return "semantic_ids"
    return "intent" if name.startswith("intent") else "features"


def compare_columns(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    config: DriftConfig,
) -> list[Comparison]:
    """Return the columns worth comparing, in the reference's order.

    Args:
        reference: The older window.
        current: The newer window.
        config: Says which column is the unit, which are left out, and how many bins there are.
    """
    found: list[Comparison] = []
    unit = config.unit
    units = [frame[unit] if unit in frame.columns else None for frame in (reference, current)]
    for name in reference.columns:
        if name == config.unit or name in config.ignore:
            continue
        left, right = _plain(reference[name]), _plain(current[name])
        if _is_numeric(name, left, right):
            found += _numeric(name, left, right, units, config.quantile_bins)
        elif left.null_count() + right.null_count() < len(left) + len(right):
            pair = _few_categories(left, right, config.top_categories, config.hash_buckets)
            found.append(_categorical(name, group_of(name), *pair, units))
    return found


def bin_edges(
    reference: Float[np.ndarray, " R"] | Int[np.ndarray, " R"], bins: int
) -> Float[np.ndarray, " E"]:
    """Return the inner edges that divide ``reference`` into bins of equal share."""
    return np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))


def to_bins(
    values: Float[np.ndarray, " N"] | Int[np.ndarray, " N"], edges: Float[np.ndarray, " E"]
) -> Int[np.ndarray, " N"]:
    """Return the bin of each value; an edge belongs to the bin below it."""
    return np.searchsorted(edges, values, side="left")


def _plain(column: pl.Series) -> pl.Series:
    """Return the column with one kind of missing value: null."""
    if not column.dtype.is_float():
        return column
    return column.to_frame().select(
        pl.when(pl.first().is_finite()).then(pl.first()).otherwise(None).alias(column.name)
    )[column.name]


def _is_numeric(name: str, left: pl.Series, right: pl.Series) -> bool:
    if group_of(name) in {"label", "intent", "semantic_ids"} or not left.dtype.is_numeric():
        return False
    both = pl.concat([left.cast(pl.Float64), right.cast(pl.Float64, strict=False)])
    return both.n_unique() > _FEW_VALUES


def _numeric(
    name: str, left: pl.Series, right: pl.Series, units: list[pl.Series | None], bins: int
) -> list[Comparison]:
    found = []
    if left.null_count() + right.null_count():
        absent, missing = [_presence(side) for side in (left, right)], f"{name} is missing"
        found.append(_categorical(missing, group_of(name), absent[0], absent[1], units))
    kept = [side.is_not_null() for side in (left, right)]
    values = [side.filter(mask).to_numpy() for side, mask in zip((left, right), kept, strict=True)]
    if not len(values[0]) or not len(values[1]):
        return found
    edges = bin_edges(values[0], bins)
    owners = [
        None if unit is None else unit.filter(mask) for unit, mask in zip(units, kept, strict=True)
    ]
    found.append(
        Comparison(
            name,
            group_of(name),
            True,
            left.drop_nulls(),
            right.drop_nulls(),
            to_bins(values[0], edges),
            to_bins(values[1], edges),
            owners[0],
            owners[1],
        )
    )
    return found


def _presence(column: pl.Series) -> pl.Series:
    names = {True: MISSING, False: "present"}
    return column.is_null().replace_strict(names, return_dtype=pl.String)


def _categorical(
    name: str, group: Group, left: pl.Series, right: pl.Series, units: list[pl.Series | None]
) -> Comparison:
    places: Mapping[str, int] = {
        value: place for place, value in enumerate(pl.concat([left, right]).unique().sort())
    }
    bins = [side.replace_strict(places, return_dtype=pl.Int64).to_numpy() for side in (left, right)]
    return Comparison(name, group, False, left, right, bins[0], bins[1], units[0], units[1])


def _few_categories(
    left: pl.Series, right: pl.Series, top: int, buckets: int
) -> tuple[pl.Series, pl.Series]:
    """Return the columns as text; of many values the ``top`` of both stay, others are hashed.

    Two samples of one distribution differ in which of its rare values they hold; in a bucket the
    rare values add up, so that what is left to differ is their share. The top is that of both
    windows: the reference's alone would be those that chance favoured there, and not here.
    """
    names = [side.cast(pl.String).fill_null(MISSING) for side in (left, right)]
    if pl.concat(names).n_unique() <= max(top, _FEW_VALUES):
        return names[0], names[1]
    counts = pl.concat(names).rename("value").value_counts(sort=True, name="rows")
    kept = counts.sort(["rows", "value"], descending=[True, False])["value"].head(top)
    return _hashed(names[0], kept, buckets), _hashed(names[1], kept, buckets)


def _hashed(names: pl.Series, kept: pl.Series, buckets: int) -> pl.Series:
    known = set(kept)
    texts = {
        value: value if value in known else f"others {zlib.crc32(value.encode()) % buckets + 1}"
        for value in names.unique()
    }
    return names.replace_strict(texts, return_dtype=pl.String)
