"""Whatever disagrees with the pointer is found without a change, and put right when asked to."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.files import TEMPORARY_PREFIX
from steps.adapters.bento_store import bento_path, import_bento
from steps.adapters.release import (
    archive_path,
    history,
    production_home,
    promote,
    register_candidate,
    releases,
    stage,
    stages,
)
from steps.adapters.release_doctor import Line, diagnose, repair
from steps.adapters.release_log import read_pointer
from tests.steps.adapters.small_bentos import make_bento


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """``one`` was in production, ``two`` is, ``three`` waits in staging."""
    folder, store = tmp_path / "releases" / "shop", tmp_path / "bento"
    for version in ("one", "two", "three"):
        bento = make_bento(store, version)
        register_candidate(folder, bento, approved=True, reasons=("Met.",), run=f"of {version}")
    promote(folder, "one", reason="x", who="me")
    promote(folder, "two", reason="x", who="me")
    stage(folder, "three", reason="x", who="me")
    return Line(folder=folder, stores=(store,))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def known(folder: Path) -> object:
    return read_pointer(folder), history(folder), stages(folder), releases(folder)


def bento(line: Line, version: str) -> Path:
    return bento_path(production_home(line.folder), version)


def cut_history(line: Line) -> None:
    path = line.folder / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def forget_last_event(line: Line) -> None:
    path = line.folder / "history.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def leave_something(line: Line) -> None:
    (line.folder / "versions" / f"{TEMPORARY_PREFIX}4194304-x").write_text("half")


def leave_an_archive(line: Line) -> None:
    shutil.copy(archive_path(line.folder, "one"), archive_path(line.folder, "four"))


HARMS: dict[str, tuple[str, Callable[[Line], object]]] = {
    "no pointer": ("pointer", lambda x: (x.folder / "production.json").unlink()),
    "half a pointer": ("pointer", lambda x: (x.folder / "production.json").write_text('{"ver')),
    "a line cut short": ("history", cut_history),
    "an event not noted": ("history", forget_last_event),
    "a leftover": ("leftover", leave_something),
    "an archive of nobody": ("leftover", leave_an_archive),
    "no archive": ("archive", lambda x: archive_path(x.folder, "two").unlink()),
    "half an archive": ("archive", lambda x: os.truncate(archive_path(x.folder, "three"), 5000)),
    "no Bento": ("bento", lambda x: shutil.rmtree(bento(x, "one"))),
    "damaged weights": (
        "bento", lambda x: (bento(x, "two") / "src/model/weights.safetensors").write_bytes(b"x")
    ),
    "changed code": ("bento", lambda x: (bento(x, "two") / "src/models/code.py").write_text("1")),
    "a file too many": ("bento", lambda x: (bento(x, "two") / "src/more.py").write_text("1")),
    "latest astray": ("latest", lambda x: bento(x, "latest").write_text("one")),
    "no latest": ("latest", lambda x: bento(x, "latest").unlink()),
    "stages astray": (
        "stages", lambda x: (production_home(x.folder) / "stages.json").write_text("{}")
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_harm_is_found_without_a_change_and_repaired(harm: str, line: Line) -> None:
    before, intact = known(line.folder), everything(line.folder)
    kind, do = HARMS[harm]
    do(line)
    harmed = everything(line.folder)
    found = diagnose(line)
    assert [trouble.kind for trouble in found] == [kind]
    assert not any(trouble.repaired for trouble in found)
    assert everything(line.folder) == harmed
    assert [(t.kind, t.repaired) for t in repair(line)] == [(kind, True)]
    assert diagnose(line) == []
    assert known(line.folder) == before
    whole = {k: v for k, v in everything(line.folder).items() if not k.startswith("damaged/")}
    assert whole == intact


@pytest.mark.parametrize("damage", ["", '{"version": "two"'])
def test_a_lost_record_is_made_anew_of_its_archive(damage: str, line: Line) -> None:
    path = line.folder / "versions" / "two.json"
    lost = json.loads(path.read_text())
    path.write_text(damage) if damage else path.unlink()
    assert "record" in {trouble.kind for trouble in diagnose(line)}
    assert all(trouble.repaired for trouble in repair(line))
    assert diagnose(line) == []
    anew = json.loads(path.read_text())
    same = ("version", "tag", "model_hash", "archive_hash", "registered_at", "run")
    assert {key: anew[key] for key in same} == {key: lost[key] for key in same}
    assert anew["approved"] is False
    assert len(history(line.folder)) == 6


def test_everything_at_once_is_repaired_but_the_hopeless_is_told(line: Line) -> None:
    for _, do in HARMS.values():
        if do not in (HARMS["no Bento"][1], HARMS["no pointer"][1], HARMS["no latest"][1]):
            do(line)
    assert all(trouble.repaired for trouble in repair(line))
    assert diagnose(line) == []
    for home in (production_home(line.folder), *line.stores):
        shutil.rmtree(bento_path(home, "one"))
    archive_path(line.folder, "one").unlink()
    left = [trouble for trouble in repair(line) if not trouble.repaired]
    assert {trouble.kind for trouble in left} == {"archive", "bento"}
    assert all("Run the pipeline that made it again" in trouble.do for trouble in left)


def test_an_archive_exported_from_another_copy_is_noted_with_its_hash(line: Line) -> None:
    archive_path(line.folder, "three").unlink()
    recipe = bento_path(line.stores[0], "three") / "bento.yaml"
    recipe.write_text(recipe.read_text() + "# built again\n")
    assert all(trouble.repaired for trouble in repair(line))
    promote(line.folder, "three", reason="x", who="me")
    assert diagnose(line) == []


def test_a_gap_in_the_history_is_told_and_production_stays(line: Line) -> None:
    path = line.folder / "history.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(text for text in lines if '"to_version":"one"' not in text))
    path.write_text(path.read_text().replace('"action":"stage"', '"action":"stag'))
    found = repair(line)
    assert {trouble.kind for trouble in found if not trouble.repaired} == {"history"}
    assert promote(line.folder, "one", reason="all the same", who="me").version == "one"


def test_a_line_before_its_first_run_is_well(tmp_path: Path) -> None:
    assert diagnose(Line(folder=tmp_path / "nothing")) == []


def test_an_archive_is_the_same_whoever_exports_it(line: Line, tmp_path: Path) -> None:
    from steps.adapters.bento_store import export_bento

    archive = archive_path(line.folder, "one")
    place = import_bento(archive, version="one", home=tmp_path / "other")
    export_bento(place, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()
