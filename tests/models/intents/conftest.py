"""A small log with triggers, built into a real example store, and random content for its items."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.data.examples import build_example_store
from models.data.schema import DatasetSpec
from models.data.store import ExampleStore
from models.data.tables import Tables

ITEMS, REQUESTS = 30, 200


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    """200 requests of four shown items; every tenth request has no trigger."""
    random = np.random.default_rng(0)
    rows = []
    for request in range(REQUESTS):
        trigger = None if request % 10 == 9 else int(random.integers(100, 100 + ITEMS))
        rows += [
            (request, f"u{request % 7}", int(item), 1_000_000 + 600 * request, trigger)
            for item in random.choice(ITEMS, 4, replace=False) + 100
        ]
    request, user, item, time, trigger = zip(*rows, strict=True)
    impressions = pl.DataFrame(
        {
            "impression_id": range(len(rows)),
            "request_id": request,
            "user_id": user,
            "item_id": item,
            "timestamp": time,
            "label": pl.Series(random.integers(0, 2, len(rows)), dtype=pl.Int8),
            "trigger_item_id": trigger,
        }
    )
    tables = Tables(
        spec=DatasetSpec(name="small", item_text=("title",)),
        items=pl.DataFrame({"item_id": range(100, 100 + ITEMS), "title": "x"}),
        users=pl.DataFrame({"user_id": [f"u{i}" for i in range(7)]}),
        impressions=impressions,
        behaviours=impressions.filter(pl.col("label") == 1).select(
            "user_id", "item_id", "timestamp", pl.lit("click").alias("kind")
        ),
    )
    from models.data.example_settings import ExamplesConfig

    folder: Path = tmp_path_factory.mktemp("store")
    build_example_store(tables, ExamplesConfig(history_days=None), folder, seed=0)
    return ExampleStore.open(folder)


@pytest.fixture
def content(store: ExampleStore) -> np.ndarray:
    """Content that shares a large common direction, as embeddings of one catalogue do."""
    random = np.random.default_rng(1)
    values = random.normal(size=(store.spec.num_items, 8)) + 2.0
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    values[:2] = 0
    values[5] = 0  # an item without content
    return values.astype(np.float32)
