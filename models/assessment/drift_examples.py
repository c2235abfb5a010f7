"""The concrete rows, values and items behind a change."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from models.assessment.drift_bins import NEW, NEW_AND_FREQUENT
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import Window
from models.assessment.drift_words import Compared, same_item_cosine
from models.assessment.drift_yardsticks import ColumnShares, EmbeddingMeans
from models.metrics.ranking import log_losses
from models.reports.drift_results import Examples

_SHOWN_OF_A_ROW = ("item_id", "user_id", "label", "score")
_LONGEST = 60


def examples_of(
    one: Compared, before: Window, now: Window, settings: DriftSettings
) -> Iterator[Examples]:
    """Yield up to ``settings.examples`` rows, values or items a kind, behind a change."""
    number = settings.examples
    if not number:
        return
    stick = one.yardstick
    if isinstance(stick, EmbeddingMeans):
        yield from _items(one, stick, before, now, number)
    elif isinstance(stick, ColumnShares):
        if stick.bins.edges is None:
            yield _values(stick.name, before, now, number)
        yield from _rows_of_bin(one, stick, before, now, settings)
    else:
        yield from _surprising_rows(now, number)


def _values(name: str, before: Window, now: Window, number: int) -> Examples:
    """Return the values whose share of the rows changed most."""
    counts = [_shares(side.rows[name]) for side in (before, now)]
    both = counts[0].join(counts[1], on="value", how="full", coalesce=True, suffix="_now")
    both = both.with_columns(pl.col("share", "share_now").fill_null(0.0))
    change = pl.col("share_now") - pl.col("share")
    most = both.sort([change.abs(), pl.col("value")], descending=[True, False]).head(number)
    rows = tuple(
        (
            _named(now, name, value),
            f"{100 * share:.2f} %",
            f"{100 * later:.2f} %",
        )
        for value, share, later in most.select("value", "share", "share_now").iter_rows()
    )
    return Examples(f"Values of {name} that changed most", (name, "reference", "newest"), rows)


def _shares(column: pl.Series) -> pl.DataFrame:
    texts = column.cast(pl.String).drop_nulls()
    counts = texts.rename("value").value_counts(name="rows")
    return counts.select("value", share=pl.col("rows") / max(len(texts), 1))


def _rows_of_bin(
    one: Compared, stick: ColumnShares, before: Window, now: Window, settings: DriftSettings
) -> Iterator[Examples]:
    """Yield newest rows of the bin that grew most, and reference rows of the one that shrank."""
    left, right = one.shares
    grown, shrunk = int((right - left).argmax()), int((left - right).argmax())
    for window, place, words in (
        (now, grown, f"Newest rows where {stick.name} is"),
        (before, shrunk, f"Reference rows where {stick.name} is"),
    ):
        name = stick.bins.names[place]
        inside = stick.bins.of(window.rows[stick.name]) == place
        if inside.any():
            shown = "one the reference does not have" if name in {NEW, NEW_AND_FREQUENT} else name
            yield _rows(f"{words} {shown}", window, inside, stick.name, settings)


def _rows(
    title: str, window: Window, inside: Bool[np.ndarray, " N"], name: str, settings: DriftSettings
) -> Examples:
    places = np.flatnonzero(inside)
    number = min(settings.examples, len(places))
    drawn = np.random.default_rng(settings.seed).choice(places, number, replace=False)
    return _table(title, window, np.sort(drawn), name)


def _table(title: str, window: Window, places: np.ndarray, name: str) -> Examples:
    columns = [c for c in _SHOWN_OF_A_ROW if c in window.rows.columns and c != name]
    columns = [name, *columns] if name in window.rows.columns else columns
    rows = window.rows.select(columns)[places]
    lines = tuple(
        tuple(_named(window, column, value) for column, value in zip(columns, row, strict=True))
        for row in rows.iter_rows()
    )
    return Examples(title, tuple(columns), lines)


def _surprising_rows(now: Window, number: int) -> Iterator[Examples]:
    """Yield the newest rows whose label surprised the model most."""
    known = now.rows["label"].is_not_null() & now.rows["score"].is_not_null()
    places = np.flatnonzero(known.to_numpy())
    rows = now.rows[places]
    if len(places):
        losses = log_losses(rows["label"].to_numpy(), rows["score"].to_numpy().astype(np.float64))
        worst = places[np.argsort(-losses, kind="stable")[:number]]
        yield _table("Newest rows that surprised the model most", now, worst, "label")


def _items(
    one: Compared, stick: EmbeddingMeans, before: Window, now: Window, number: int
) -> Iterator[Examples]:
    """Yield the items that are most typical of either window, by the witness of the distance.

    The witness (Gretton et al., JMLR 2012, 2.3) is the mean kernel to the newest rows less that to
    the reference's.
    """
    cosine = same_item_cosine(before, now)
    if cosine is not None and cosine < 0.9:
        yield _moved_items(before, now, number)
    if cosine is None or before.items is None or now.items is None:
        return
    witness = one.right[:-1] / max(one.right[-1], 1) - one.left[:-1] / max(one.left[-1], 1)
    for window, sign, title in (
        (now, 1.0, "Items most typical of the newest window"),
        (before, -1.0, "Items most typical of the reference"),
    ):
        yield _typical(stick, window, sign * witness, title, number)


def _typical(
    stick: EmbeddingMeans,
    window: Window,
    witness: Float[np.ndarray, " F"],
    title: str,
    number: int,
) -> Examples:
    if window.items is None:
        return Examples(title, ("item", "rows"), ())
    places = window.item_places
    shown, rows = np.unique(places[places >= 0], return_counts=True)
    height = stick.features.transform(window.items.values[shown]) @ witness
    top = np.argsort(-height * np.sqrt(rows), kind="stable")[:number]
    ids = window.items.item_ids.gather(shown[top]).to_list()
    lines = tuple(
        (_named(window, "item_id", item), str(count))
        for item, count in zip(ids, rows[top], strict=True)
    )
    return Examples(title, ("item", "rows in that window"), lines)


def _moved_items(before: Window, now: Window, number: int) -> Examples:
    if before.items is None or now.items is None:
        return Examples("Items", ("item", "cosine"), ())
    right = now.items.aligned(before.items.item_ids)
    cosine = (before.items.values * right).sum(axis=1)
    known = np.flatnonzero(np.abs(right).sum(axis=1) > 0)
    furthest = known[np.argsort(cosine[known], kind="stable")[:number]]
    ids = before.items.item_ids.gather(furthest).to_list()
    lines = tuple(
        (_named(now, "item_id", item), f"{cosine[place]:.2f}")
        for item, place in zip(ids, furthest, strict=True)
    )
    head = ("item", "cosine of old and new embedding")
    return Examples("Items whose embedding changed most", head, lines)


def _named(window: Window, column: str, value: object) -> str:
    """Return a value as people read it: items with their name, numbers with four digits."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if column != "item_id" or window.names is None:
        return _short(str(value))
    known = window.names.filter(pl.col("item_id").cast(pl.String) == str(value))["name"]
    return _short(f"{value}: {known[0]}") if len(known) and known[0] else _short(str(value))


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
