"""A thousand real test rows score the same over HTTP, from the users' raw events, as offline."""

from pathlib import Path

import numpy as np
import pytest

from models.artifacts import write_artifact
from models.ctr.config import CTRConfig, TrainingConfig
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.serving.request import HistoryEvent, ScoreRequest
from models.settings import load_settings
from models.training.scoring import score
from models.training.trainer import load_model, make_catalogue, train
from steps.adapters.bento import build_bento
from tests.steps.adapters.test_bento import serving

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
ROWS = 1000


@pytest.fixture(name="store")
def _store(movielens: Path, tmp_path: Path) -> ExampleStore:
    config = load_settings(DatasetConfig, ROOT / "configs/datasets/movielens_latest_small.yaml")
    settings = {**config.settings, "path": str(movielens)}
    tables = load_dataset(config.model_copy(update={"settings": settings}), ROOT)
    build_example_store(tables, config.examples, tmp_path / "examples", seed=1)
    return ExampleStore.open(tmp_path / "examples")


@pytest.fixture(name="model_folder")
def _model_folder(store: ExampleStore, tmp_path: Path) -> Path:
    """DAIAN after one small epoch, on drawn content: what it learnt does not matter here."""
    content = np.random.default_rng(1).normal(size=(store.spec.num_items, 16)).astype(np.float32)
    content[:2] = 0
    content[2:] /= np.linalg.norm(content[2:], axis=1, keepdims=True)
    (tmp_path / "intents").mkdir()
    bin_intents(store, content, IntentConfig(), tmp_path / "intents")
    intents = IntentLabels.open(tmp_path / "intents")
    config = CTRConfig(
        model="daian",
        settings={"embedding_dim": 8, "head": [32], "attention_hidden": 16, "uim_epochs": 1},
        training=TrainingConfig(batch_size=4096, max_epochs=1, calibration="platt"),
    )
    catalogue = make_catalogue(store, content, intents)
    with write_artifact(tmp_path / "model", "ctr_model") as draft:
        train(config, store, catalogue, intents, draft.folder, seed=1,
              resume_folder=tmp_path / "resume")  # fmt: skip
    return tmp_path / "model"


def request(store: ExampleStore, row: int) -> ScoreRequest:
    """What a shop would send: the user's past as it knows it; the trigger follows from it."""
    now = int(store.time[row])
    items, times = store.timeline(int(store.user[row]))
    ids = store.item_ids
    return ScoreRequest(
        user_id=store.user_ids[int(store.user[row])],
        history=[
            HistoryEvent(item_id=ids[int(item)], timestamp=int(time))
            for item, time in zip(items, times, strict=True)
            if time < now
        ],
        candidates=[ids[int(store.target_item[row])]],
        timestamp=now,
    )


def test_a_thousand_real_rows_score_over_http_as_offline(
    store: ExampleStore, model_folder: Path, tmp_path: Path, free_port: int
) -> None:
    rows = np.random.default_rng(2).permutation(store.rows("test"))[:ROWS]
    loaded = load_model(model_folder)
    offline = score(loaded.model, store, rows, calibration=loaded.calibration).probability
    bento = build_bento(model_folder, version="real", home=tmp_path / "bento")
    served = np.empty(ROWS)
    with serving(Path(bento.path), Path(bento.home), free_port) as server:
        for place, row in enumerate(rows.tolist()):
            body = request(store, row).model_dump_json().encode()
            status, told = server.ask("/score", body)
            assert status == 200, told
            served[place] = told["probabilities"][0]
    np.testing.assert_allclose(served, offline, rtol=0, atol=1e-6)
    assert np.ptp(offline) > 0.01
