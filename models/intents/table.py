"""What each intent level holds: share of impressions, click rate, information about the click."""

import numpy as np
import polars as pl
from jaxtyping import Int8


def level_table(
    level: Int8[np.ndarray, " N"], label: np.ndarray, low: float, high: float, levels: int
) -> pl.DataFrame:
    """Return one row per level, over the impressions whose level is known.

    Columns: level, low and high (cosine), impressions, clicks, share (of impressions), click_rate
    (null in an empty level), click_share (of clicks), information: the level's term, in bits, of
    the mutual information between level and click.
    """
    known = level >= 0
    impressions = np.bincount(level[known], minlength=levels).astype(np.float64)
    clicks = np.bincount(level[known & (label > 0)], minlength=levels).astype(np.float64)
    total, total_clicks = max(impressions.sum(), 1.0), max(clicks.sum(), 1.0)
    edges = np.linspace(low, high, levels + 1)
    return pl.DataFrame(
        {
            "level": np.arange(levels, dtype=np.int32),
            "low": edges[:-1],
            "high": edges[1:],
            "impressions": impressions.astype(np.int64),
            "clicks": clicks.astype(np.int64),
            "share": impressions / total,
            "click_rate": [c / n if n else None for c, n in zip(clicks, impressions, strict=True)],
            "click_share": clicks / total_clicks,
            "information": _information(impressions, clicks),
        },
        schema_overrides={"click_rate": pl.Float64},
    )


def table_summary(table: pl.DataFrame) -> dict[str, str | int | float | bool | None]:
    """Return mutual information in bits, and the effective number of levels 2^entropy."""
    share = table["share"].to_numpy()
    share = share[share > 0]
    return {
        "mutual_information_bits": float(table["information"].sum()),
        "effective_levels": float(2 ** -(share * np.log2(share)).sum()) if share.size else 0.0,
        "largest_share": float(share.max()) if share.size else 0.0,
    }


def _information(impressions: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """Return, per level l, the sum over y of p(l, y) log2(p(l, y) / (p(l) p(y)))."""
    total = max(impressions.sum(), 1.0)
    joint = np.stack([impressions - clicks, clicks]) / total  # 2 n
    independent = joint.sum(0, keepdims=True) * joint.sum(1, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    return (joint * np.log2(ratio)).sum(0)
