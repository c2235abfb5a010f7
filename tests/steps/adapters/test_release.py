import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from models.artifacts import verify_artifact
from models.errors import ReleaseError
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from steps.adapters.bento import BentoRef, bento_path
from steps.adapters.release import (
    archive_path,
    history,
    production,
    production_home,
    production_model,
    promote,
    register_candidate,
    releases,
    rollback,
    stage_of,
)

Bentos = tuple[BentoRef, BentoRef]
GOLDEN = [
    ScoreRequest(user_id=user, trigger_item_id=user + 1, candidates=[1, 2, 3], timestamp=10**9)
    for user in range(5)
]


@pytest.fixture(scope="module")
def both_installed(bentos: Bentos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line on which both versions were promoted; ``two`` is in production."""
    line = tmp_path_factory.mktemp("releases") / ".state" / "shop"
    for bento in bentos:
        register_candidate(line, bento, approved=True, reasons=("won",), run=f"run {bento.version}")
        promote(line, bento.version, reason="won", who="gate")
    return line


@pytest.fixture
def line(both_installed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(both_installed, tmp_path / "line")


def version_in_production(line: Path) -> str | None:
    release = production(line)
    return release.version if release else None


def check(line: Path, *, allowed: set[str | None]) -> None:
    """All that must hold at any instant, whoever was killed."""
    current = version_in_production(line)
    assert current in allowed
    events = history(line)
    switches = [event for event in events if event.action != "register"]
    for before, after in pairwise(switches):
        assert after.from_version == before.to_version
    assert (switches[-1].to_version if switches else None) == current
    registered = [event.to_version for event in events if event.action == "register"]
    assert sorted(registered) == sorted(release.version for release in releases(line))
    model = production_model(line)
    if model is not None:
        verify_artifact(model, "ctr_model")


def golden(line: Path) -> list[list[float]]:
    model = production_model(line)
    assert model is not None
    predictor = Predictor.load(model)
    return [predictor.score(request).probabilities for request in GOLDEN]


def test_nothing_is_in_production_before_the_first_promotion(tmp_path: Path) -> None:
    line = tmp_path / "line"
    assert (production(line), production_model(line)) == (None, None)
    assert (history(line), releases(line)) == ([], [])


def test_a_promotion_is_told_with_who_when_why_from_and_to(line: Path) -> None:
    check(line, allowed={"two"})
    told = [(e.action, e.who, e.reason, e.from_version, e.to_version) for e in history(line)]
    assert told == [
        ("register", "run run one", "won", None, "one"),
        ("promote", "gate", "won", None, "one"),
        ("register", "run run two", "won", None, "two"),
        ("promote", "gate", "won", "one", "two"),
    ]
    times = [event.at for event in history(line)]
    assert times == sorted(times)
    assert [stage_of(line, v) for v in ("one", "two")] == ["archived", "production"]


def test_the_production_store_serves_latest_as_the_pointer_says(line: Path) -> None:
    latest = bento_path(production_home(line), "latest")
    assert latest.read_text() == "two"
    rollback(line, reason="slow", who="me")
    assert latest.read_text() == "one"


def test_rolling_back_restores_the_very_scores(line: Path) -> None:
    second = golden(line)
    started = time.monotonic()
    rollback(line, reason="clicks fell", who="me")
    assert time.monotonic() - started < 5
    first = golden(line)
    assert first != second
    promote(line, "two", reason="it was the weather", who="me")
    assert golden(line) == second
    rollback(line, reason="it was not", who="me")
    assert golden(line) == first
    check(line, allowed={"one"})


def test_each_rollback_goes_one_promotion_back(line: Path) -> None:
    promote(line, "one", reason="again", who="me")
    assert rollback(line, reason="x", who="me").version == "two"
    assert rollback(line, reason="x", who="me").version == "one"
    with pytest.raises(ReleaseError, match="no version to go back to"):
        rollback(line, reason="x", who="me")
    check(line, allowed={"one"})


def test_promoting_what_is_in_production_changes_nothing(line: Path) -> None:
    before = history(line)
    assert promote(line, "two", reason="again", who="me").version == "two"
    assert history(line) == before


def test_a_version_the_gate_refused_needs_an_override(line: Path, bentos: Bentos) -> None:
    rollback(line, reason="x", who="me")
    register_candidate(line, bentos[1], approved=False, reasons=("AUC fell",))
    with pytest.raises(ReleaseError, match="AUC fell") as refusal:
        promote(line, "two", reason="I like it", who="me")
    assert "--override" in refusal.value.do
    check(line, allowed={"one"})
    promote(line, "two", reason="I like it", who="me", override=True)
    check(line, allowed={"two"})


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_change_of_production_needs_a_reason(reason: str, line: Path) -> None:
    with pytest.raises(ReleaseError, match="reason"):
        promote(line, "one", reason=reason, who="me")
    with pytest.raises(ReleaseError, match="reason"):
        rollback(line, reason=reason, who="me")


def test_an_unknown_version_names_the_known_ones(line: Path) -> None:
    with pytest.raises(ReleaseError, match="'three'") as refusal:
        promote(line, "three", reason="x", who="me")
    assert refusal.value.allowed == "one, two"


def test_registering_again_keeps_the_date_and_renews_the_verdict(
    line: Path, bentos: Bentos
) -> None:
    before = {release.version: release for release in releases(line)}
    again = register_candidate(line, bentos[0], approved=False, reasons=("lost",), run="later")
    assert (again.registered_at, again.run) == (before["one"].registered_at, "run one")
    assert (again.approved, again.reasons) == (False, ("lost",))
    serving = register_candidate(line, bentos[1], approved=False, reasons=("lost",))
    assert serving == before["two"]
    check(line, allowed={"two"})


def test_another_model_cannot_take_a_version_that_is_taken(line: Path, bentos: Bentos) -> None:
    other = bentos[1].model_copy(update={"version": "one"})
    with pytest.raises(ReleaseError, match="another model"):
        register_candidate(line, other, approved=True)


def test_a_damaged_production_bento_is_brought_back_from_its_archive(line: Path) -> None:
    rollback(line, reason="x", who="me")
    expected = golden(line)
    promote(line, "two", reason="x", who="me")
    first = bento_path(production_home(line), "one") / "src" / "model" / "weights.safetensors"
    first.write_bytes(b"oops")
    rollback(line, reason="x", who="me")
    assert golden(line) == expected


def test_a_damaged_archive_stops_a_promotion_and_production_stays(
    line: Path, bentos: Bentos
) -> None:
    shutil.rmtree(bento_path(production_home(line), "one"))
    archive_path(line, "one").write_bytes(b"oops")
    with pytest.raises(ReleaseError, match="archive"):
        promote(line, "one", reason="x", who="me")
    check(line, allowed={"two"})
    register_candidate(line, bentos[0], approved=True)  # exports it anew
    promote(line, "one", reason="x", who="me")
    check(line, allowed={"one"})


def test_an_event_whose_writer_was_killed_is_completed(line: Path) -> None:
    path = line / "history.jsonl"
    whole, text = history(line), path.read_text()
    for cut in (1, 20, len(text.splitlines(keepends=True)[-1])):
        path.write_text(text[:-cut])
        assert history(line) == whole  # a reader sees it all before anybody repairs it
        with pytest.raises(ReleaseError):
            rollback(line, reason="x", who="me", to="no such version")
        assert path.read_text() == text


def test_a_damaged_pointer_is_told(line: Path) -> None:
    (line / "production.json").write_text("{")
    with pytest.raises(ReleaseError, match="pointer"):
        production(line)


FILE_EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate",
               "shutil.rmtree", "subprocess.Popen"}  # fmt: skip


def killed_at(point: int, action: Callable[[], Any]) -> bool:
    """Run ``action`` in a child killed at its ``point``-th file event; False if it ended first."""
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, _: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in FILE_EVENTS:
                seen += 1
                if seen > point:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            action()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_kill_at_any_point_leaves_one_production_version(
    action: str, stride: int, both_installed: Path, tmp_path: Path
) -> None:
    def act(line: Path) -> None:
        if action == "promote":
            promote(line, "one", reason="x", who="me")
        else:
            rollback(line, reason="x", who="me")

    point, killed, switched = 0, True, set()
    while killed:
        line = shutil.copytree(both_installed, tmp_path / f"{action}-{point}")
        before = history(line)
        killed = killed_at(point, partial(act, line))
        switched.add(version_in_production(line))
        check(line, allowed={"one", "two"} if killed else {"one"})
        assert history(line)[: len(before)] == before
        promote(line, "one", reason="go on", who="me")
        check(line, allowed={"one"})
        assert (line / "history.jsonl").read_text().count("\n") == len(history(line))
        assert not list(line.rglob(".partial-*"))
        shutil.rmtree(line)
        point += stride
    assert point > 20  # kills on both sides of the switch, or nothing was tested
    assert switched == {"one", "two"}


@pytest.mark.slow
def test_a_kill_while_a_bento_is_registered_or_brought_in_is_made_good(
    bentos: Bentos, tmp_path: Path
) -> None:
    line = tmp_path / ".state" / "line"

    def release() -> None:
        register_candidate(line, bentos[0], approved=True)
        promote(line, "one", reason="first", who="gate")

    point = 0
    while killed_at(point, release):
        check(line, allowed={None, "one"})
        point += 3 + point // 2
    check(line, allowed={"one"})
    assert [event.action for event in history(line)] == ["register", "promote"]
    deadline = time.monotonic() + 30  # what the killed ones had started writes a little longer
    while list(line.rglob(".partial-*")) and time.monotonic() < deadline:
        time.sleep(0.5)
        promote(line, "one", reason="clean up", who="me")
    assert not list(line.rglob(".partial-*"))
    assert point > 50


def test_promoters_at_once_take_turns(line: Path) -> None:
    def work(worker: int) -> None:
        for turn in range(10):
            version = ("one", "two")[(worker + turn) % 2]
            promote(line, version, reason=f"{worker}.{turn}", who=f"worker {worker}")

    running = [in_child(work, worker) for worker in range(4)]
    statuses, seen = [], set()
    while running:
        seen.add(version_in_production(line))
        ended = [os.waitpid(child, os.WNOHANG) for child in running]
        statuses += [status for child, status in ended if child]
        running = [child for child, (done, _) in zip(running, ended, strict=True) if not done]
    assert statuses == [0, 0, 0, 0]
    assert seen <= {"one", "two"}
    check(line, allowed={"one", "two"})
    assert len(history(line)) > 4


def in_child(action: Callable[[int], None], argument: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            action(argument)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child
