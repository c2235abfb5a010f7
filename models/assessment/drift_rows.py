"""What each row says of a yardstick: a value whose distribution can be drawn."""

import numpy as np
import polars as pl
from jaxtyping import Float

from models.assessment.drift_bins import numbers
from models.assessment.drift_window import Window
from models.assessment.drift_words import Compared
from models.assessment.drift_yardsticks import Calibration, ColumnShares, EmbeddingMeans, Ranking
from models.metrics.ranking import log_losses


def row_values(one: Compared, window: Window) -> pl.Series:
    """Return a value a row: a number or the name of a category's bin; null where there is none.

    A column's own values; of embeddings the witness of their distance; of calibration label less
    score; of ranking the scores of clicks; of entropy the log loss.
    """
    stick = one.yardstick
    if isinstance(stick, ColumnShares):
        if stick.bins.edges is not None:
            return numbers(window.rows[stick.name]).alias(stick.name)
        bins = stick.bins.of(window.rows[stick.name])
        names = pl.Series(stick.name, [*stick.bins.names, None], dtype=pl.String)
        return names.gather(np.where(bins < 0, len(stick.bins.names), bins))
    if isinstance(stick, EmbeddingMeans):
        return pl.Series(stick.name, _heights(one, stick, window), nan_to_null=True)
    rows = window.rows.select(pl.col("label", "score").cast(pl.Float64))
    label, score = rows["label"], rows["score"]
    if isinstance(stick, Calibration):
        return (label - score).alias(stick.name)
    if isinstance(stick, Ranking):
        return rows.select(pl.when(pl.col("label") > 0).then("score").alias(stick.name)).to_series()
    known = (label.is_not_null() & score.is_not_null()).to_numpy()
    losses = np.full(window.rows.height, np.nan)
    losses[known] = log_losses(label.to_numpy()[known], score.to_numpy()[known])
    return pl.Series(stick.name, losses, nan_to_null=True)


def _heights(one: Compared, stick: EmbeddingMeans, window: Window) -> Float[np.ndarray, " N"]:
    heights = np.full(window.rows.height, np.nan)
    items, width = window.items, stick.features.directions.shape[0]
    if items is None or items.values.shape[1] != width:
        return heights
    witness = one.right[:-1] / max(one.right[-1], 1) - one.left[:-1] / max(one.left[-1], 1)
    known = window.item_places >= 0
    if stick.clicked:
        known &= (window.rows["label"].fill_null(0) > 0).to_numpy()
    shown, place = np.unique(window.item_places[known], return_inverse=True)
    heights[known] = (stick.features.transform(items.values[shown]) @ witness)[place]
    return heights
