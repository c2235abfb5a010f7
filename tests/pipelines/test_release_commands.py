"""Scoring, serving and switching versions from a shell, with real models and real Bentos."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from pipelines.__main__ import main
from steps.adapters.bento import build_bento
from steps.adapters.release import history, production, promote, register_candidate
from tests.models.serving.shop import Shop, make_shop

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120
REQUESTS = [
    ScoreRequest(user_id=user, trigger_item_id=user + 1, candidates=[1, 2, 3], timestamp=10**9)
    for user in range(3)
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def released(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with one line: ``one`` in production, ``two`` registered, not approved."""
    state = tmp_path_factory.mktemp("state")
    line = state / "releases" / "shop"
    for model, version in (("din", "one"), ("daian", "two")):
        bento = build_bento(shop.folders[model], version=version, home=state / "bento")
        register_candidate(line, bento, approved=version == "one", reasons=("judged",))
    promote(line, "one", reason="won", who="gate")
    return state


@pytest.fixture
def state(released: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same state for each test: whatever was promoted is rolled back."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(released))
    yield released
    if (current := production(released / "releases" / "shop")) and current.version != "one":
        assert main(["rollback", "--wait", "--reason", "the test is over"]) == 0


def test_a_file_of_requests_is_scored_by_the_production_model(
    state: Path, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text("\n\n".join(r.model_dump_json() for r in REQUESTS), encoding="utf-8")
    assert main(["score", str(file)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    predictor = Predictor.load(shop.folders["din"])
    expected = [predictor.score(request).probabilities for request in REQUESTS]
    assert [answer["probabilities"] for answer in told] == expected


def test_any_model_folder_scores_without_a_release(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(REQUESTS[0].model_dump_json(), encoding="utf-8")
    assert main(["score", str(file), "--model", str(shop.folders["daian"])]) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = Predictor.load(shop.folders["daian"]).score(REQUESTS[0])
    assert answer["probabilities"] == expected.probabilities
    assert answer["intent"] == expected.intent


def test_a_malformed_request_is_named_by_its_line(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(f'{REQUESTS[0].model_dump_json()}\n\n{{"candidates": []}}\n', encoding="utf-8")
    assert main(["score", str(file)]) == 2
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert f"where: {file}, line 3: timestamp" in told.err


def test_promote_and_rollback_switch_production_and_keep_the_reason(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = state / "releases" / "shop"
    assert main(["promote", "two", "--reason", "I know better"]) == 2
    assert "--override" in capsys.readouterr().err
    assert main(["promote", "two", "--reason", "I know better", "--override"]) == 0
    assert capsys.readouterr().out.startswith("shop: one -> two\n")
    assert main(["rollback", "--wait", "--line", "shop", "--reason", "I did not"]) == 0
    assert capsys.readouterr().out.startswith("shop: two -> one\n")
    switches = [(event.action, event.reason) for event in history(line)][-2:]
    assert switches == [("promote", "I know better"), ("rollback", "I did not")]


def test_an_unknown_version_is_told_with_the_known_ones(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--version", "three"]) == 2
    assert "one, two" in capsys.readouterr().err


@pytest.mark.parametrize(("version", "model"), [(None, "din"), ("two", "daian")])
def test_serve_answers_over_http_until_it_is_interrupted(
    version: str | None, model: str, state: Path, shop: Shop, free_port: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pipelines", "serve", "--port", str(free_port)]
    if version is not None:
        command += ["--version", version]
    log = tmp_path / "log"
    with log.open("w") as told:
        server = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"INTENTFLOW_HOME": str(state)},
            stdout=told, stderr=told, start_new_session=True,
        )  # fmt: skip
    try:
        answer = ask(f"http://127.0.0.1:{free_port}/score", REQUESTS[0], server)
    finally:
        os.killpg(server.pid, signal.SIGINT)  # what a terminal's Ctrl-C does
        server.wait(PATIENCE_S)
    expected = Predictor.load(shop.folders[model]).score(REQUESTS[0]).probabilities
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert answer["model_version"] == (version or "one")
    assert "Traceback" not in log.read_text(encoding="utf-8")


def ask(url: str, request: ScoreRequest, server: "subprocess.Popen[bytes]") -> dict[str, object]:
    """Return the server's answer, as soon as it gives one."""
    asked = urllib.request.Request(
        url, request.model_dump_json().encode(), {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.2)
