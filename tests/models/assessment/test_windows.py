"""The windows of a drift report hold what was shown, clicked and scored, row by row."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.assessment.drift_detection import detect
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import CLICKED_LEVEL
from models.assessment.windows import drift_windows
from models.data.tables import write_tables
from models.encoders.embeddings import ItemEmbeddings, write_embeddings
from tests.models.serving.shop import make_shop


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("windows")
    shop = make_shop(folder)
    write_tables(shop.tables, folder / "tables")
    ids = shop.tables.items["item_id"]
    (folder / "ids").mkdir()
    pl.DataFrame({"item_id": ids, "code_0": np.arange(len(ids)) % 5}).write_parquet(
        folder / "ids" / "semantic_ids.parquet"
    )
    for name, dim in (("embeddings", 8), ("embeddings_before", 6)):
        values = np.random.default_rng(dim).normal(size=(len(ids), dim)).astype(np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        (folder / name).mkdir()
        write_embeddings(ItemEmbeddings(ids, values), ["0"] * len(ids), folder / name)
    return {
        "model": shop.folders["din"],
        "examples": folder / "store",
        "intents": folder / "intents",
        "tables": folder / "tables",
        "semantic_ids": folder / "ids",
        "embeddings": folder / "embeddings",
        "embeddings_before": folder / "embeddings_before",
    }


def test_a_window_tells_of_every_row_what_the_tables_do(folders: dict[str, Path]) -> None:
    reference, current = drift_windows(folders, current_days=None, max_rows=10_000)
    assert reference.rows.columns == current.rows.columns
    assert {"user_id", "item_id", "label", "score", "sid_0", "hour"} <= set(current.rows.columns)
    clicked = current.rows.filter(pl.col("label") == 1)
    assert clicked[CLICKED_LEVEL].equals(clicked["intent_level"], check_names=False)
    assert current.rows.filter(pl.col("label") == 0)[CLICKED_LEVEL].null_count() == (
        current.rows.height - clicked.height
    )
    impressions = pl.read_parquet(folders["tables"] / "impressions.parquet")
    shown = current.rows.select("user_id", "item_id", "label")
    assert shown.join(impressions, on=shown.columns, how="semi").height == shown.height
    assert current.names is not None
    assert set(current.names.columns) == {"item_id", "name"}


def test_the_reference_is_seen_through_the_embeddings_that_production_stands_on(
    folders: dict[str, Path],
) -> None:
    reference, current = drift_windows(folders, current_days=None, max_rows=10_000)
    assert reference.items is not None
    assert current.items is not None
    assert (reference.items.values.shape[1], current.items.values.shape[1]) == (6, 8)
    settings = DriftSettings(min_rows=5, resamples=100)
    verdict = detect(reference, current, settings).verdict
    assert "another number of dimensions" in verdict.groups["embeddings"].sentence
    alone = {role: path for role, path in folders.items() if not role.startswith("embeddings")}
    reference, current = drift_windows(alone, current_days=None, max_rows=10_000)
    assert reference.items is None
    assert "embeddings" not in detect(reference, current, settings).verdict.groups


def test_windows_are_sampled(folders: dict[str, Path]) -> None:
    reference, current = drift_windows(folders, current_days=None, max_rows=7)
    assert (reference.rows.height, current.rows.height) == (7, 7)
