"""From candidate over staging into production and to the archive, and what follows each step."""

import json
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import ReleaseError
from models.reports.verdicts import Comparison, Rule
from steps.adapters.release import (
    history,
    production,
    promote,
    register_candidate,
    rollback,
    stage,
    stage_of,
    stages,
    staging,
    withdraw,
)
from steps.adapters.release_log import read_history_noted, read_pointer, replay
from steps.adapters.release_verdict import carry_out, tell
from tests.steps.adapters.small_bentos import make_bento

VERSIONS = ("one", "two", "three")


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Three candidates, of which the last was refused."""
    folder = tmp_path / "releases" / "shop"
    for version in VERSIONS:
        register_candidate(
            folder, make_bento(tmp_path / "bento", version), approved=version != "three",
            reasons=("Met: examples.",) if version != "three" else ("Met: a.", "Not met: b."),
        )  # fmt: skip
    return folder


def told(line: Path) -> dict[str, str]:
    """The stages, which the file beside the Bentos must tell alike, as must the history."""
    pointer = read_pointer(line)
    if pointer is not None:
        beside = json.loads((line / "production" / "stages.json").read_text())
        assert beside == stages(line)
        latest = line / "production" / "bentos" / "intentflow" / "latest"
        assert (latest.read_text() if latest.exists() else None) == pointer.production
    assert replay(read_history_noted(line)) == pointer
    assert {version: stage_of(line, version) for version in VERSIONS} == stages(line)
    return dict(stages(line))


def test_a_version_goes_through_every_stage(line: Path) -> None:
    assert told(line) == dict.fromkeys(VERSIONS, "candidate")
    stage(line, "one", reason="try", who="me")
    assert told(line) == {"one": "staging", "two": "candidate", "three": "candidate"}
    assert production(line) is None
    promote(line, "one", reason="good", who="me")
    assert told(line) == {"one": "production", "two": "candidate", "three": "candidate"}
    assert staging(line) is None
    promote(line, "two", reason="better", who="me")
    assert told(line) == {"one": "archived", "two": "production", "three": "candidate"}
    rollback(line, reason="worse", who="me")
    assert told(line) == {"one": "production", "two": "archived", "three": "candidate"}


def test_staging_holds_one_version_and_can_be_left(line: Path) -> None:
    promote(line, "one", reason="first", who="me")
    stage(line, "two", reason="x", who="me")
    stage(line, "three", reason="x", who="me")
    assert told(line) == {"one": "production", "two": "archived", "three": "staging"}
    assert withdraw(line, reason="no", who="me").version == "three"
    assert told(line)["three"] == "archived"
    with pytest.raises(ReleaseError, match="No version is in staging"):
        withdraw(line, reason="no", who="me")
    events = [(e.action, e.from_version, e.to_version) for e in history(line)[-3:]]
    assert events == [("stage", None, "two"), ("stage", "two", "three"),
                      ("withdraw", "three", "three")]  # fmt: skip


def test_what_waits_in_staging_outlasts_the_promotion_of_another(line: Path) -> None:
    stage(line, "two", reason="x", who="me")
    promote(line, "one", reason="x", who="me")
    promote(line, "three", reason="x", who="me", override=True)
    rollback(line, reason="x", who="me")
    assert told(line) == {"one": "production", "two": "staging", "three": "archived"}


def test_staging_again_changes_nothing_and_production_cannot_wait(line: Path) -> None:
    stage(line, "one", reason="x", who="me")
    before = history(line)
    stage(line, "one", reason="again", who="me")
    assert history(line) == before
    promote(line, "one", reason="x", who="me")
    with pytest.raises(ReleaseError, match="is in production"):
        stage(line, "one", reason="x", who="me")


def test_an_override_keeps_the_rules_it_set_aside(line: Path) -> None:
    stage(line, "three", reason="a person wants it", who="me")
    with pytest.raises(ReleaseError, match="Not met: b") as refusal:
        promote(line, "three", reason="x", who="me")
    assert "Met: a." not in refusal.value.what
    promote(line, "three", reason="x", who="me", override=True)
    assert history(line)[-1].overrode == ("Not met: b.",)
    promote(line, "one", reason="x", who="me", override=True)
    assert history(line)[-1].overrode == ()


def test_going_back_further_than_one(line: Path) -> None:
    for version in ("one", "two", "one", "two"):
        promote(line, version, reason="x", who="me")
    promote(line, "three", reason="x", who="me", override=True)
    with pytest.raises(ReleaseError, match="not on the way back") as refusal:
        rollback(line, reason="x", who="me", to="three")
    assert refusal.value.allowed == "two, one"
    assert rollback(line, reason="x", who="me", to="one").version == "one"
    pointer = read_pointer(line)
    assert pointer is not None
    assert pointer.versions == ("one", "two", "one")
    told(line)


@pytest.mark.parametrize("action", [stage, withdraw])
def test_a_change_of_stage_needs_a_reason(action: Callable[..., object], line: Path) -> None:
    arguments = ("one",) if action is stage else ()
    with pytest.raises(ReleaseError, match="reason"):
        action(line, *arguments, reason=" ", who="me")


def verdict(*, promote: bool, then: str = "promote") -> Comparison:
    rule = Rule(name="min_auc", met=promote, observed="test AUC 0.7", required="at least 0.6")
    return Comparison.model_validate({
        "promote": promote, "then": then, "challenger": "din x", "rules": (rule.model_dump(),),
        "reasons": (rule.sentence,),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("approved", "then", "reached"),
    [(True, "promote", "production"), (True, "stage", "staging"), (False, "promote", "candidate")],
)
def test_the_gates_verdict_is_carried_out(
    approved: bool, then: str, reached: str, tmp_path: Path
) -> None:
    line, bento = tmp_path / "line", make_bento(tmp_path / "bento", "one")
    decided = verdict(promote=approved, then=then)
    assert carry_out(line, bento, decided, {"test/auc": 0.7}, "run 1") == reached
    assert stage_of(line, "one") == reached
    assert [event.who for event in history(line)] == ["run run 1"] + ["gate"] * approved


def test_the_gate_does_not_overrule_whoever_rolled_back(tmp_path: Path) -> None:
    line, store = tmp_path / "line", tmp_path / "bento"
    bentos = [make_bento(store, version) for version in ("one", "two")]
    for bento in bentos:
        assert carry_out(line, bento, verdict(promote=True), {}, "run") == "production"
    rollback(line, reason="clicks fell", who="me")
    assert carry_out(line, bentos[1], verdict(promote=True), {}, "run") == "archived"
    assert carry_out(line, bentos[1], verdict(promote=True, then="stage"), {}, "run") == "archived"
    promote(line, "two", reason="it was the weather", who="me")
    assert carry_out(line, bentos[1], verdict(promote=True), {}, "run") == "production"


def test_people_are_told_what_became_of_a_challenger(tmp_path: Path) -> None:
    settings = {"notify": [{"kind": "file", "path": str(tmp_path / "told.jsonl")}]}
    tell("shop", "one", "candidate", verdict(promote=False), settings)
    tell("shop", "one", "staging", verdict(promote=True), settings)
    lines = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["kept", "staged"]
    assert "Not met: test AUC 0.7" in lines[0]["text"]


def in_child(action: Callable[[], object]) -> str:
    """Return the error that ``action`` ends with in a process of its own; "" where it ends well."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def with_room_for(size: int, action: Callable[[], object]) -> Callable[[], object]:
    """Let no file grow past ``size`` bytes, which the kernel refuses as it does on a full disk."""

    def act() -> object:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return action()

    return act


def test_a_full_disk_before_the_switch_leaves_all_as_it_was(line: Path) -> None:
    promote(line, "one", reason="x", who="me")
    before = {p: p.read_bytes() for p in line.rglob("*") if p.is_file()}
    for act in (
        lambda: promote(line, "two", reason="x", who="me"),
        lambda: stage(line, "two", reason="x", who="me"),
    ):
        said = in_child(with_room_for(100, act))
        assert "ReleaseError" in said
    assert "Nothing was changed" in said
    assert "Free space" in said
    assert {p: p.read_bytes() for p in before} == before
    assert told(line)["one"] == "production"
    promote(line, "two", reason="there is room again", who="me")
    assert told(line)["two"] == "production"


def test_a_full_disk_after_the_switch_says_that_it_is_done(line: Path) -> None:
    promote(line, "one", reason="x", who="me")
    promote(line, "two", reason="x", who="me")
    pointer = (line / "production.json").stat().st_size
    assert (line / "history.jsonl").stat().st_size > pointer + 200
    act = lambda: rollback(line, reason="x", who="me")  # noqa: E731
    said = in_child(with_room_for(pointer + 200, act))
    assert "But it is done: rollback one" in said
    assert production(line).version == "one"  # pyright: ignore[reportOptionalMemberAccess]
    assert history(line)[-1].action == "rollback"
    stage(line, "two", reason="there is room again", who="me")
    assert told(line) == {"one": "production", "two": "staging", "three": "candidate"}


@pytest.fixture
def shut(line: Path) -> Iterator[Path]:
    """The line in a folder that others may read and only we may write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    promote(line, "one", reason="x", who="me")
    yield shutil.copytree(line, folder / "line")
    shutil.rmtree(folder)


def as_somebody_else(action: Callable[[], object]) -> Callable[[], object]:
    def act() -> object:
        os.setgid(65534)
        os.setuid(65534)
        return action()

    return act


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_a_folder_one_may_not_write_is_told_and_can_be_read(shut: Path) -> None:
    for act in (
        lambda: promote(shut, "two", reason="x", who="me"),
        lambda: rollback(shut, reason="x", who="me"),
        lambda: stage(shut, "two", reason="x", who="me"),
    ):
        said = in_child(as_somebody_else(act))
        assert "ReleaseError: The releases cannot be written: Permission denied" in said
        assert "Give yourself the right to write here" in said
    assert in_child(as_somebody_else(lambda: (stages(shut), history(shut)))) == ""
    assert told(shut)["one"] == "production"
