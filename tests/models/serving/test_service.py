import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.serving.guard import MAX_BODY_BYTES
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from tests.models.serving.bad_requests import BAD, GOOD
from tests.models.serving.shop import Shop

JSON = {"content-type": "application/json"}
# BentoML 1.4.39 itself uses what pathspec and pydantic deprecate: github.com/bentoml/BentoML.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[TestClient]:
    """The service's own HTTP application, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTENTFLOW_MODEL", str(shop.folders["daian"]))
        from models.serving.service import ScoringService

        application: Any = ScoringService
        with TestClient(application.to_asgi()) as client:
            yield client


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_a_400_in_our_own_words(name: str, client: TestClient) -> None:
    body, word = BAD[name]
    answer = client.post("/score", content=body, headers=JSON)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"what", "where", "allowed", "do"}
    assert word in " ".join(answer.json()["error"].values())


def test_the_answers_are_the_predictors(client: TestClient, shop: Shop) -> None:
    predictor = Predictor.load(shop.folders["daian"])
    request = ScoreRequest.model_validate(GOOD)
    told = client.post("/score", content=json.dumps(GOOD), headers=JSON).json()
    assert told["probabilities"] == pytest.approx(predictor.score(request).probabilities, abs=1e-6)
    rest = {key: value for key, value in GOOD.items() if key != "candidates"}
    intent = client.post("/intent", json=rest).json()["intent"]
    assert intent == pytest.approx(predictor.score(request).intent, abs=1e-6)
    assert client.get("/model").json() == predictor.info().model_dump()
    assert client.post("/model").json() == predictor.info().model_dump()


@pytest.mark.parametrize(
    "media", ["application/vnd.bentoml+pickle", "multipart/form-data", "text/plain", "image/png"]
)
def test_only_json_is_read(media: str, client: TestClient) -> None:
    answer = client.post("/score", content=json.dumps(GOOD), headers={"content-type": media})
    assert answer.status_code == 415
    assert media in answer.json()["error"]["what"]


def test_a_large_body_is_refused_told_or_untold(client: TestClient) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    told = client.post("/score", content=body, headers=JSON)

    def pieces() -> Iterator[bytes]:
        yield from (body[: len(body) // 2], body[len(body) // 2 :])

    untold = client.post("/score", content=pieces(), headers=JSON)
    assert [told.status_code, untold.status_code] == [413, 413]
    assert str(MAX_BODY_BYTES) in untold.json()["error"]["allowed"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("POST", "/nothing", 404), ("GET", "/score", 405),
     ("DELETE", "/model", 405)],
)  # fmt: skip
def test_other_errors_are_json_too(method: str, path: str, status: int, client: TestClient) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["where"] == f"{method} {path}"


def test_a_refused_request_harms_no_later_one(client: TestClient) -> None:
    for body, _ in BAD.values():
        client.post("/score", content=body, headers=JSON)
    assert client.post("/score", json=GOOD).status_code == 200


def test_health_answers(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
