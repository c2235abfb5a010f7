import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artifacts import write_artifact
from models.ctr.calibration import Calibration
from models.ctr.saved import load_model
from models.errors import CorruptArtifactError, IncompatibleArtifactError, RequestError
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest, parse_request
from models.training.scoring import score
from tests.models.serving.bad_requests import BAD
from tests.models.serving.shop import Shop

NOW = 1_600_010_000
# What a request need not tell: a derived trigger is found in the history.
UNTOLD: dict[str, dict[str, None]] = {"log": {}, "derived": {"trigger_item_id": None}}


def ask(**values: object) -> ScoreRequest:
    return ScoreRequest.model_validate({"candidates": [1, 2], "timestamp": NOW} | values)


@pytest.mark.parametrize(("name", "trigger"), [("din", "log"), ("daian", "derived")])
def test_requests_score_as_the_examples_they_became(
    name: str, trigger: str, shop: Shop, derived_shop: Shop
) -> None:
    shop = {"log": shop, "derived": derived_shop}[trigger]
    rows = np.random.default_rng(0).permutation(shop.store.num_examples)[:1000]
    offline = score(shop.models[name], shop.store, rows)
    predictor = Predictor.load(shop.folders[name])
    place = {row: index for index, row in enumerate(rows.tolist())}
    served, intents = np.full(1000, np.nan), np.full((1000, 4), np.nan)
    for of_request, request in shop.requests(rows):
        answer = predictor.score(request.model_copy(update=UNTOLD[trigger]))
        served[[place[row] for row in of_request]] = answer.probabilities
        if answer.intent is not None:
            intents[[place[row] for row in of_request]] = answer.intent
    assert np.ptp(offline.probability) > 0.1  # scores that are all alike would agree by chance
    np.testing.assert_allclose(served, offline.probability, rtol=0, atol=1e-6)
    if offline.intent is None:
        assert np.isnan(intents).all()
    else:
        np.testing.assert_allclose(intents, offline.intent, rtol=0, atol=1e-6)


CALIBRATIONS = {
    "platt": Calibration(method="platt", slope=0.6, intercept=-0.4, train_offset=-0.7),
    "isotonic": Calibration(
        method="isotonic", logits=(-2.0, -0.5, 0.1, 1.5), values=(0.05, 0.2, 0.2, 0.8)
    ),
    "sampled log": Calibration(train_offset=0.3, log_negative_rate=0.05),
}


@pytest.mark.parametrize("calibration", CALIBRATIONS.values(), ids=list(CALIBRATIONS))
def test_calibrated_requests_score_as_the_examples_they_became(
    calibration: Calibration, shop: Shop, tmp_path: Path
) -> None:
    with write_artifact(tmp_path / "model", "ctr_model") as draft:
        for path in shop.folders["daian"].iterdir():
            if path.name != "manifest.json":
                shutil.copy(path, draft.folder)
        told = json.loads((draft.folder / "model.json").read_text())
        told["calibration"] = calibration.model_dump()
        (draft.folder / "model.json").write_text(json.dumps(told))
    rows = np.random.default_rng(1).permutation(shop.store.num_examples)[:200]
    loaded = load_model(tmp_path / "model")
    assert loaded.calibration == calibration
    offline = score(loaded.model, shop.store, rows, calibration=loaded.calibration)
    plain = score(loaded.model, shop.store, rows)
    assert np.array_equal(offline.logit, plain.logit)
    assert np.abs(offline.probability - plain.probability).max() > 0.02
    predictor = Predictor.load(tmp_path / "model")
    place = {row: index for index, row in enumerate(rows.tolist())}
    for of_request, request in shop.requests(rows):
        found = predictor.score(request).probabilities
        expected = offline.probability[[place[row] for row in of_request]]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_request_becomes_the_batch_the_store_gathers(derived_shop: Shop) -> None:
    predictor = Predictor.load(derived_shop.folders["din"])
    rows = np.arange(0, derived_shop.store.num_examples, 7)
    for of_request, request in derived_shop.requests(rows):
        ours = predictor.batch(request.model_copy(update=UNTOLD["derived"]))
        theirs = derived_shop.store.gather(of_request[:1])
        for field in ("user", "trigger_item", "history", "history_mask", "history_age_s",
                      "user_fields", "context_fields"):  # fmt: skip
            assert torch.equal(getattr(ours, field), getattr(theirs, field)), field


def test_events_at_or_after_the_request_change_nothing(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["din"])
    past = [{"item_id": 5, "timestamp": NOW - 60}]
    future = [{"item_id": 7, "timestamp": NOW}, {"item_id": 8, "timestamp": NOW + 60}]
    assert predictor.score(ask(history=past)) == predictor.score(ask(history=future + past))


def test_the_past_does_change_the_scores(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["din"])
    past = [{"item_id": 5, "timestamp": NOW - 60}]
    assert predictor.score(ask(history=past)) != predictor.score(ask())


def test_events_in_any_order_score_alike(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    past = [{"item_id": item, "timestamp": NOW - 60 * item} for item in range(1, 9)]
    assert predictor.score(ask(history=past)) == predictor.score(ask(history=past[::-1]))


def test_unknown_items_and_users_are_scored_as_unknown(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    request = ask(
        user_id="nobody",
        history=[{"item_id": "never seen", "timestamp": NOW - 60}],
        trigger_item_id=10**12,
        candidates=["x", 10**15, 1],
    )
    first, second, known = predictor.score(request).probabilities
    assert first == second != known
    assert all(0 < p < 1 for p in (first, known))


def test_an_anonymous_user_is_an_unknown_one(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["din"])
    assert predictor.score(ask()) == predictor.score(ask(user_id="nobody"))


def test_ids_may_be_numbers_or_their_text(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["din"])
    assert predictor.score(ask(user_id=3)) == predictor.score(
        ask(user_id="3", candidates=["1", "2"])
    )


def test_each_candidate_scores_as_if_it_were_alone(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    past = [{"item_id": item, "timestamp": NOW - 60 * item} for item in range(1, 9)]
    together = predictor.score(ask(history=past, trigger_item_id=4, candidates=list(range(40))))
    for item in (0, 17, 39):
        alone = predictor.score(ask(history=past, trigger_item_id=4, candidates=[item]))
        assert alone.probabilities[0] == pytest.approx(together.probabilities[item], abs=1e-6)


def test_the_intent_is_a_distribution_and_the_one_scores_come_with(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    request = ask(user_id=3, trigger_item_id=4)
    intent = predictor.intent(request).intent
    assert intent is not None
    assert sum(intent) == pytest.approx(1.0, abs=1e-6)
    assert intent == pytest.approx(predictor.score(request).intent, abs=1e-6)
    assert Predictor.load(shop.folders["din"]).intent(request).intent is None


def test_threads_may_share_a_predictor(shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    requests = [ask(user_id=user, trigger_item_id=user + 1) for user in range(30)]
    expected = [predictor.score(request) for request in requests]
    found: dict[int, list[object]] = {}

    def work(worker: int) -> None:
        found[worker] = [predictor.score(request) for request in requests]

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers == expected for answers in found.values())
    assert len(found) == 4


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_by_name(name: str, shop: Shop) -> None:
    body, word = BAD[name]
    predictor = Predictor.load(shop.folders["din"])
    with pytest.raises(RequestError) as refusal:
        predictor.score(parse_request(ScoreRequest, body))
    assert word in f"{refusal.value.what} {refusal.value.where}"
    assert refusal.value.where
    assert refusal.value.allowed
    assert refusal.value.do


def test_a_refusal_lists_at_most_five_fields() -> None:
    with pytest.raises(RequestError, match=r"\(and 15 more\)"):
        parse_request(ScoreRequest, json.dumps({"candidates": [None] * 10, "timestamp": 1}))


def test_a_damaged_model_folder_is_refused(shop: Shop, tmp_path: Path) -> None:
    folder = shutil.copytree(shop.folders["din"], tmp_path / "din")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"oops")
    with pytest.raises(CorruptArtifactError, match=r"weights\.safetensors"):
        Predictor.load(folder)


def test_vocabularies_of_another_model_are_refused(
    shop: Shop, derived_shop: Shop, tmp_path: Path
) -> None:
    with write_artifact(tmp_path / "mixed", "ctr_model") as draft:
        shutil.copytree(shop.folders["din"], draft.folder, dirs_exist_ok=True)
        (draft.folder / "manifest.json").unlink()
        path = draft.folder / "vocabularies.json"
        facts = json.loads(path.read_text())
        facts["user"][0]["values"].append("one more")
        path.write_text(json.dumps(facts))
    with pytest.raises(IncompatibleArtifactError, match="sizes"):
        Predictor.load(tmp_path / "mixed")


def test_the_version_is_the_content_hash_unless_given(shop: Shop) -> None:
    info = Predictor.load(shop.folders["din"]).info()
    assert info.content_hash.startswith(info.model_version)
    assert Predictor.load(shop.folders["din"], version="v7").score(ask()).model_version == "v7"
    assert (info.model, info.num_items, info.intent_levels) == ("din", 60, 4)
    assert (info.user_fields, info.context_fields) == (["city"], ["page"])
