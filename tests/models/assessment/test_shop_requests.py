"""Stored examples sent as requests are scored as the trainer's scorer scores them."""

from pathlib import Path

import numpy as np
import pytest

from models.assessment.predictions import Evidence, score_folder
from models.assessment.shop_requests import latencies, requests_of, widened
from models.serving.predictor import Predictor
from tests.models.serving.shop import Shop, make_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Evidence]:
    folder = tmp_path_factory.mktemp("shop")
    made = make_shop(folder)
    return made, Evidence.open({"examples": folder / "store", "intents": folder / "intents"})


@pytest.mark.parametrize("model", ["din", "daian"])
def test_requests_made_of_examples_score_alike(model: str, shop: tuple[Shop, Evidence]) -> None:
    made, evidence = shop
    folder: Path = made.folders[model]
    rows = evidence.store.rows("test")
    predictor = Predictor.load(folder)
    asked = requests_of(evidence.store, folder, rows)
    served = [predictor.score(request).probabilities[0] for request in asked]
    expected = score_folder(folder, evidence, rows)[1].probability
    np.testing.assert_allclose(served, expected, rtol=0, atol=1e-6)
    assert np.ptp(expected) > 0.1
    without = [request.model_copy(update={"history": [], "user": {}}) for request in asked]
    others = [predictor.score(request).probabilities[0] for request in without]
    assert np.abs(np.array(others) - expected).max() > 1e-3  # what requests say does matter


def test_latency_is_taken_of_every_scorer_on_wide_requests(shop: tuple[Shop, Evidence]) -> None:
    made, evidence = shop
    rows = evidence.store.rows("test")[:8]
    asked = requests_of(evidence.store, made.folders["din"], rows)
    wide = widened(asked, evidence.store.vocabularies().known_items, 150)
    assert {len(request.candidates) for request in wide} == {150}
    predictor = Predictor.load(made.folders["din"])
    taken = latencies({"a": predictor, "b": predictor}, wide)
    assert set(taken) == {"a", "b"}
    assert all(0 < one.median_ms <= one.p95_ms for one in taken.values())
