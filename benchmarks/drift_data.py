"""Windows to measure drift detection on: a simulated shop and MovieLens, unchanged and changed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from models.assessment.drift_window import CLICKED_LEVEL, Window
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.tables import Tables
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import ItemEmbeddings, load_embeddings
from models.settings import config_path, load_settings
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.training import load_tokenizer, train_tokenizer

CONFIGS = Path("configs")
LEVELS, HALF_DAYS, DAY_S = 6, 7, 86_400
Change = Callable[[Window, np.random.Generator], Window]
SIMULATED = {
    "price shift": {"price_day": HALF_DAYS, "price_factor": 1.5},
    "new category": {"categories_day": HALF_DAYS, "new_categories": 4},
    "popularity reversal": {"popularity_day": HALF_DAYS},
    "intent from specific to broad": {"intent_day": HALF_DAYS, "intent_share": 0.7},
}


@dataclass(frozen=True)
class Pools:
    """Where the windows of a data set are drawn from.

    Attributes:
        name: The data set.
        same: Rows without drift; both windows of an A/A pair come from here.
        drifts: By name, the pools of the reference and of the current window.
    """

    name: str
    same: Window
    drifts: dict[str, tuple[Window, Window]]


def simulator_pools(folder: Path) -> Pools:
    """Return the shipped shop, and the same with each of its drifts from the second week on."""
    tables = _tables("simulator", {})
    seen = _Seen.fit(tables, folder)
    same = seen.window(tables)
    drifts = {}
    for name, knobs in SIMULATED.items():
        changed = seen.window(_tables("simulator", {"drift": knobs}))
        first = changed.rows["day"] < HALF_DAYS
        drifts[name] = (_where(changed, first), _where(changed, ~first))
    drifts |= {
        "encoder swapped": (same, replace(same, items=seen.hashed)),
        "unit change": (same, _times(same, "price", 100.0)),
    }
    return Pools(
        "simulator", _plain(same), {n: (_plain(a), _plain(b)) for n, (a, b) in drifts.items()}
    )


def movielens_pools(folder: Path) -> Pools:
    """Return MovieLens latest-small, and changed copies of it: its own drifts are not known."""
    tables = _tables("movielens_latest_small", {})
    seen = _Seen.fit(tables, folder)
    same = seen.window(tables)
    count = same.rows["item_id"].value_counts(name="rows").rename({"item_id": "id"})
    popular = same.rows.join(count, left_on="item_id", right_on="id", maintain_order="left")["rows"]
    level = same.rows["intent_level"].fill_null(-1).to_numpy()
    every_12th = pl.int_range(pl.len()) % 12 == 0
    drifts = {
        "price shift": _rows(same, year=pl.col("year") - 5),
        "new category": _rows(
            same, main_genre=pl.when(every_12th).then(pl.lit("Serial")).otherwise("main_genre")
        ),
        "popularity reversal": _reweighted(same, 1 / popular.to_numpy().astype(float) ** 2),
        "intent from specific to broad": _reweighted(
            same, np.where(level <= LEVELS // 2, 3.0, 1.0)
        ),
        "encoder swapped": replace(same, items=seen.hashed),
        "unit change": _times(same, "year", 0.01),
    }
    plain = _plain(same)
    return Pools(
        "movielens_latest_small", plain, {n: (plain, _plain(w)) for n, w in drifts.items()}
    )


def draw(pool: Window, rows: int, users: np.ndarray, generator: np.random.Generator) -> Window:
    """Return ``rows`` rows drawn from those of ``users``, as they are in the pool."""
    places = np.flatnonzero(np.isin(pool.rows["user_id"].to_numpy(), users))
    drawn = generator.choice(places, min(rows, len(places)), replace=False)
    return replace(pool, rows=pool.rows[np.sort(drawn)])


def pair(
    pools: tuple[Window, Window], sizes: tuple[int, int], generator: np.random.Generator
) -> tuple[Window, Window]:
    """Return a reference and a current window of different users, picked at random."""
    users = generator.permutation(pools[0].rows["user_id"].unique().sort().to_numpy())
    half = len(users) * sizes[0] // sum(sizes)
    reference = draw(pools[0], sizes[0], users[:half], generator)
    return reference, draw(pools[1], sizes[1], users[half:], generator)


@dataclass(frozen=True)
class _Seen:
    """What the rows of a data set are seen through: embeddings, codes, intent levels, scores."""

    items: ItemEmbeddings
    hashed: ItemEmbeddings
    codes: pl.DataFrame
    edges: np.ndarray
    rates: pl.DataFrame

    @classmethod
    def fit(cls, tables: Tables, folder: Path) -> "_Seen":
        """Return what the first half of the log gives."""
        place = folder / f"content-{tables.spec.name}"
        if not (place / "items.parquet").is_file():
            place.mkdir(parents=True, exist_ok=True)
            config = load_settings(EncoderConfig, config_path("encoders", "minilm", CONFIGS))
            embed_items(tables.items, tables.spec, config, place)
        items = load_embeddings(place)
        seen = cls(items, _hashed(tables), _codes(items, folder), np.zeros(0), pl.DataFrame())
        cosines = seen._cosine(_rows_of(tables))
        low, high = np.nanquantile(cosines, [0.01, 0.99])
        seen = replace(seen, edges=np.linspace(low, high, LEVELS + 1)[1:-1])
        rows = seen._levelled(tables).head(tables.impressions.height // 2)
        rates = rows.group_by(
            "intent_level", "device" if "device" in rows.columns else "main_genre"
        )
        return replace(seen, rates=rates.agg(score=(pl.col("label").sum() + 2) / (pl.len() + 10)))

    def window(self, tables: Tables) -> Window:
        """Return all rows of the log."""
        rows = self._levelled(tables)
        keys = [name for name in self.rates.columns if name != "score"]
        rows = rows.join(self.rates, on=keys, how="left", nulls_equal=True, maintain_order="left")
        jitter = np.random.default_rng(0).normal(0, 0.02, rows.height)
        rows = rows.with_columns(score=(pl.col("score").fill_null(0.2) + jitter).clip(0.001, 0.999))
        names = tables.items.select("item_id", name=pl.col(tables.spec.item_text[0]))
        return Window(rows, self.items, names)

    def _levelled(self, tables: Tables) -> pl.DataFrame:
        rows = _rows_of(tables)
        cosines = self._cosine(rows)
        level = pl.Series(np.searchsorted(self.edges, np.nan_to_num(cosines)))
        level = level.set(pl.Series(np.isnan(cosines)), None)
        return (
            rows.with_columns(
                intent_level=level,
                **{CLICKED_LEVEL: level.set(rows["label"] < 1, None)},
            )
            .join(self.codes, on="item_id", how="left", maintain_order="left")
            .drop("trigger_item_id")
        )

    def _cosine(self, rows: pl.DataFrame) -> np.ndarray:
        centred = ItemEmbeddings(self.items.item_ids, self.items.values - self.items.values.mean(0))
        left, right = (centred.aligned(rows[name]) for name in ("trigger_item_id", "item_id"))
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        dots = (left * right).sum(axis=1)
        return np.divide(dots, norms, out=np.full(len(norms), np.nan), where=norms > 0)


def _tables(name: str, extra: dict[str, Any]) -> Tables:
    config = load_settings(DatasetConfig, config_path("datasets", name, CONFIGS))
    settings = {**config.settings, **extra, **({"images": False} if name == "simulator" else {})}
    return load_dataset(config.model_copy(update={"settings": settings}), Path.cwd()).collect()


def _rows_of(tables: Tables) -> pl.DataFrame:
    """Return the log with what is known of items and users, and with triggers."""
    spec, log = tables.spec, tables.impressions.sort("timestamp", maintain_order=True)
    if log["trigger_item_id"].null_count() == log.height:
        clicked = pl.when(pl.col("label") > 0).then("item_id")
        trigger = clicked.forward_fill().shift().over("user_id", order_by="timestamp")
        log = log.with_columns(trigger_item_id=trigger)
    rows = log.select(
        "user_id", "item_id", "trigger_item_id", "label", *spec.context_fields,
        hour=(pl.col("timestamp") // 3600) % 24,
        day=(pl.col("timestamp") - pl.col("timestamp").min()) // DAY_S,
        history_length=pl.col("label").cum_sum().over("user_id").clip(0, 50),
    )  # fmt: skip
    items = tables.items.select("item_id", *spec.item_fields, *spec.item_numeric)
    users = tables.users.select("user_id", *spec.user_fields)
    return rows.join(items, on="item_id", how="left", maintain_order="left").join(
        users, on="user_id", how="left", maintain_order="left"
    )


def _codes(items: ItemEmbeddings, folder: Path) -> pl.DataFrame:
    place = folder / f"codes-{len(items.values)}"
    if not place.is_dir():
        place.mkdir()
        config = load_settings(
            TokenizerConfig, config_path("tokenizers", "residual_kmeans", CONFIGS)
        )
        train_tokenizer(items.values, config, place, seed=0)
    quantised = load_tokenizer(place).quantised(torch.from_numpy(items.values).double())
    codes = quantised.codes.numpy()
    levels = {f"sid_{i}": codes[:, i] for i in range(codes.shape[1])}
    return pl.DataFrame({"item_id": items.item_ids, **levels})


def _hashed(tables: Tables, dim: int = 384) -> ItemEmbeddings:
    """Return another encoder's embeddings: words hashed to random directions and added up."""
    texts = tables.items.select(
        pl.concat_str(tables.spec.item_text, separator=" ").str.to_lowercase()
    )
    words = texts.to_series().str.extract_all(r"\w+").to_list()
    known = {word: i for i, word in enumerate(sorted({w for text in words for w in text}))}
    directions = np.random.default_rng(0).normal(size=(len(known) + 1, dim)).astype(np.float32)
    values = np.stack([directions[[known[w] for w in text] or [-1]].sum(axis=0) for text in words])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return ItemEmbeddings(tables.items["item_id"], values)


def _where(window: Window, mask: pl.Series) -> Window:
    return replace(window, rows=window.rows.filter(mask))


def _plain(window: Window) -> Window:
    """Return the window without the column that only tells when its rows were."""
    return replace(window, rows=window.rows.drop("day"))


def _rows(window: Window, **columns: pl.Expr) -> Window:
    return replace(window, rows=window.rows.with_columns(**columns))


def _times(window: Window, column: str, factor: float) -> Window:
    return _rows(window, **{column: pl.col(column) * factor})


def _reweighted(window: Window, weights: np.ndarray) -> Window:
    """Return half of the rows, drawn by weight."""
    places = np.random.default_rng(0).choice(
        window.rows.height, window.rows.height // 2, replace=False, p=weights / weights.sum()
    )
    return replace(window, rows=window.rows[np.sort(places)])
