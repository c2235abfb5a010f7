import json
import logging
import sys
import threading
import time
from pathlib import Path

import pytest

from models.serving.follower import Follower, Line, load
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from tests.models.serving.released import place, point
from tests.models.serving.shop import Shop, revise

REQUEST = ScoreRequest(user_id=1, trigger_item_id=2, candidates=[1, 2, 3], timestamp=10**9)


@pytest.fixture
def line(shop: Shop, tmp_path: Path) -> Path:
    """Versions ``one`` (in production) and ``two`` of one model, ``three`` of another."""
    line = tmp_path / "line"
    place(line, "one", shop.folders["daian"])
    place(line, "two", revise(shop.folders["daian"], tmp_path / "revised"))
    place(line, "three", shop.folders["din"])
    point(line, "one")
    return line


@pytest.fixture
def follower(line: Path) -> Follower:
    packed = load(Line(line).bundle("one"), "one")
    follower = Follower(Line(line), packed)
    follower.look()
    return follower


def test_it_goes_with_production_and_back_bit_equal(line: Path, follower: Follower) -> None:
    first = follower.predictor.score(REQUEST)
    point(line, "one", "two")
    follower.look()
    second = follower.predictor.score(REQUEST)
    assert (first.model_version, second.model_version) == ("one", "two")
    assert first.probabilities != second.probabilities
    point(line, "one")
    follower.look()
    assert follower.predictor.score(REQUEST) == first
    told = follower.told()
    assert told is not None
    assert (told.production_version, told.swaps, told.refused) == ("one", 2, None)


def test_who_took_the_old_model_finishes_on_it(line: Path, follower: Follower) -> None:
    taken = follower.predictor
    point(line, "two")
    follower.look()
    assert taken.score(REQUEST).model_version == "one"
    assert follower.predictor.score(REQUEST).model_version == "two"


def test_a_look_reads_nothing_while_production_stays(line: Path, follower: Follower) -> None:
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(str(line)):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    for _ in range(100):
        follower.look()
    assert opened == []
    point(line, "two")
    follower.look()
    watching = False
    assert str(line / "production.json") in opened


def test_before_the_first_promotion_it_serves_what_is_packed(
    line: Path, follower: Follower
) -> None:
    point(line)
    follower.look()
    assert follower.predictor.version == "one"
    told = follower.told()
    assert told is not None
    assert (told.production_version, told.refused) == (None, None)


def test_without_a_line_it_looks_at_nothing(line: Path) -> None:
    follower = Follower(None, load(Line(line).bundle("one"), "one"))
    follower.start()
    point(line, "two")
    follower.look()
    assert follower.predictor.version == "one"
    assert follower.told() is None
    assert "follow-production" not in {thread.name for thread in threading.enumerate()}


def test_a_registry_out_of_reach_changes_nothing(
    line: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    away = line.rename(line.with_name("away"))
    follower.look()
    assert follower.predictor.version == "one"
    point(away, "two")
    away.rename(line)
    follower.look()
    assert follower.predictor.version == "two"
    with caplog.at_level(logging.WARNING):
        Follower(Line(line / "nowhere"), follower.predictor).start()
    assert "Nothing in production" in caplog.text


def break_weights(line: Path) -> None:
    path = Line(line).bundle("two") / "model" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def break_golden(line: Path) -> None:
    path = Line(line).bundle("two") / "golden.json"
    content = json.loads(path.read_text())
    content["answers"][0]["probabilities"][0] = 0.123
    path.write_text(json.dumps(content))


def break_name(line: Path) -> None:
    (Line(line).bundle("two") / "release.json").write_text('{"version": "three"}')


def break_release(line: Path) -> None:
    (Line(line).bundle("two") / "release.json").write_text("{")


def remove_bundle(line: Path) -> None:
    Line(line).bundle("two").rename(line / "elsewhere")


def break_pointer(line: Path) -> None:
    (line / "production.json").write_text('{"versions": 3}')


BREAKS = {
    break_weights: "differ from the manifest",
    break_golden: "Golden request 0",
    break_name: "'three'",
    break_release: "JSONDecodeError",
    remove_bundle: "No Bento",
    break_pointer: "pointer is not readable",
}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_broken_version_is_refused_once_and_the_old_one_goes_on(
    broken, line: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    point(line, "one", "two")
    broken(line)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            follower.look()
    assert follower.predictor.score(REQUEST).model_version == "one"
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert BREAKS[broken] in told.getMessage()
    assert "still serving one" in told.getMessage()
    assert "\n" not in told.getMessage()
    state = follower.told()
    assert state is not None
    assert BREAKS[broken] in str(state.refused)
    point(line, "one", "three")
    follower.look()
    assert follower.predictor.version == "three"
    state = follower.told()
    assert state is not None
    assert state.refused is None


def test_a_refused_version_is_tried_again_later(line: Path, follower: Follower) -> None:
    weights = Line(line).bundle("two") / "model" / "weights.safetensors"
    whole = weights.read_bytes()
    patient = Follower(Line(line), follower.predictor, retry_s=2.0)
    break_weights(line)
    point(line, "two")
    patient.look()
    weights.write_bytes(whole)
    patient.look()
    assert patient.predictor.version == "one"  # not at once: a load costs
    time.sleep(2.1)
    patient.look()
    assert patient.predictor.version == "two"


def test_loading_hands_turns_over_often_and_then_as_usual(line: Path) -> None:
    usual = sys.getswitchinterval()
    load(Line(line).bundle("three"), "three")
    assert sys.getswitchinterval() == usual
    with pytest.raises(Exception, match="'three'"):
        load(Line(line).bundle("three"), "four")
    assert sys.getswitchinterval() == usual


def test_it_goes_with_production_by_itself_while_requests_are_answered(
    line: Path, follower: Follower
) -> None:
    expected = {
        version: load(Line(line).bundle(version), version).score(REQUEST).probabilities
        for version in ("one", "two", "three")
    }
    quick = Follower(Line(line), follower.predictor, interval_s=0.001)
    quick.start()
    seen = set()
    try:
        for version in ("two", "three", "one", "two"):
            point(line, version)
            deadline = time.monotonic() + 30
            answer = None
            while answer is None or (
                answer.model_version != version and time.monotonic() < deadline
            ):
                answer = quick.predictor.score(REQUEST)
                assert answer.probabilities == expected[answer.model_version]
                seen.add(answer.model_version)
            assert answer.model_version == version
    finally:
        quick.stop()
    assert seen == {"one", "two", "three"}
    assert isinstance(quick.predictor, Predictor)
