"""What must hold at any instant, whoever was killed, whatever was full."""

from itertools import pairwise
from pathlib import Path

import yaml

from models.artifacts import verify_artifact
from models.files import TEMPORARY_PREFIX
from steps.adapters.release import Event, history, production, releases, stages
from steps.adapters.release_doctor import Line, diagnose
from steps.adapters.release_files import archive_is_whole, bento_is_whole


def check_line(line: Path, before: list[Event], allowed: set[str | None]) -> None:
    """One production version, whole; every event there ever was; no archive in part."""
    current = production(line)
    assert (current.version if current else None) in allowed
    in_production = [v for v, stage in stages(line).items() if stage == "production"]
    assert in_production == ([current.version] if current else [])
    assert current is None or bento_is_whole(line, current)
    events = history(line)
    assert events[: len(before)] == before
    moves = [event for event in events if event.action in {"promote", "rollback"}]
    assert all(later.from_version == earlier.to_version for earlier, later in pairwise(moves))
    assert (moves[-1].to_version if moves else None) == (current.version if current else None)
    registered = [event.to_version for event in events if event.action == "register"]
    assert sorted(registered) == sorted(release.version for release in releases(line))
    assert all(archive_is_whole(line, release) for release in releases(line))


def check_settled(line: Path) -> None:
    """After somebody has come by: nothing left behind, and all files of one opinion."""
    assert diagnose(Line(line)) == []
    assert leftovers(line) == []
    noted = (line / "history.jsonl").read_text(encoding="utf-8")
    assert noted.count("\n") == len(history(line))
    assert noted.endswith("\n")


def check_artifacts(state: Path) -> None:
    """Every artifact that is there is whole."""
    for folder in (state / "artifacts").glob(f"*/[!{TEMPORARY_PREFIX[0]}]*"):
        verify_artifact(folder)


def check_store(home: Path) -> None:
    """Every Bento that is there is whole."""
    for recipe in home.glob("bentos/intentflow/[!.]*/"):
        if recipe.is_dir():
            told = yaml.safe_load((recipe / "bento.yaml").read_text(encoding="utf-8"))
            found = verify_artifact(recipe / "src" / "model", "ctr_model")
            assert told["labels"]["model_hash"] == found.content_hash
            assert (recipe / "src" / "models" / "serving" / "service.py").stat().st_size > 0


def leftovers(folder: Path) -> list[Path]:
    """Return what is half-written or forgotten."""
    return list(folder.rglob(f"{TEMPORARY_PREFIX}*"))
