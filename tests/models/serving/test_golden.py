import json
from pathlib import Path

import pytest

from models.errors import CorruptArtifactError, IncompatibleArtifactError
from models.serving import golden
from models.serving.predictor import Predictor
from tests.models.serving.shop import Shop, revise


@pytest.fixture
def bundle(shop: Shop, tmp_path: Path) -> Path:
    """A folder as it stands in a Bento, but for the model."""
    recorded = golden.record(Predictor.load(shop.folders["daian"]))
    (tmp_path / golden.FILE).write_text(recorded.model_dump_json())
    return tmp_path


@pytest.mark.parametrize("model", ["din", "daian"])
def test_golden_requests_ask_for_all_a_model_knows(model: str, shop: Shop) -> None:
    predictor = Predictor.load(shop.folders[model])
    requests = golden.golden_requests(predictor.vocabularies)
    assert {request.user_id is None for request in requests} == {True, False}
    assert "no such item" in requests[0].candidates
    assert requests[0].user.keys() == {"city"}
    assert requests[0].context.keys() == {"page"}
    assert requests[0].user["city"] is not None
    answers = [tuple(predictor.score(request).probabilities) for request in requests]
    assert len(set(answers)) == len(answers)  # each asks for something of its own


def test_the_same_model_answers_bit_equal(shop: Shop, bundle: Path) -> None:
    recorded = golden.Golden.model_validate_json((bundle / golden.FILE).read_bytes())
    again = Predictor.load(shop.folders["daian"], version="another name")
    assert golden.record(again) == recorded
    golden.check(again, bundle)


def test_an_answer_that_differs_is_told(shop: Shop, bundle: Path) -> None:
    content = json.loads((bundle / golden.FILE).read_text())
    content["answers"][2]["probabilities"][0] += 1e-4
    (bundle / golden.FILE).write_text(json.dumps(content))
    with pytest.raises(IncompatibleArtifactError, match="Golden request 2") as refusal:
        golden.check(Predictor.load(shop.folders["daian"]), bundle)
    assert "restart the server" in refusal.value.do


def test_golden_requests_of_another_model_are_told(
    shop: Shop, bundle: Path, tmp_path: Path
) -> None:
    revised = revise(shop.folders["daian"], tmp_path / "revised")
    with pytest.raises(CorruptArtifactError, match="are of the model"):
        golden.check(Predictor.load(revised), bundle)


@pytest.mark.parametrize("content", ["", "{", '{"answers": []}'])
def test_unreadable_golden_requests_are_told(content: str, shop: Shop, bundle: Path) -> None:
    (bundle / golden.FILE).write_text(content)
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        golden.check(Predictor.load(shop.folders["daian"]), bundle)


def test_a_model_packed_without_golden_requests_is_asked_all_the_same(
    shop: Shop, tmp_path: Path
) -> None:
    golden.check(Predictor.load(shop.folders["din"]), tmp_path)
    void = revise(shop.folders["din"], tmp_path / "void", factor=float("nan"))
    with pytest.raises(IncompatibleArtifactError, match="nan"):
        golden.check(Predictor.load(void), tmp_path)
