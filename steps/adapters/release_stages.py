"""The stage of every version, and what is derived of it beside the Bentos.

A Bento's labels are fixed when it is built, so its stage stands next to it: in ``stages.json`` and
as BentoML's own ``latest`` in the line's production store. Both follow the pointer.
"""

import json
from pathlib import Path

from models.files import write_text
from steps.adapters.bento_store import bento_path
from steps.adapters.release_log import Pointer, Stage, read_history, read_pointer
from steps.adapters.release_records import registered_versions

STAGES = "stages.json"


def production_home(folder: Path) -> Path:
    """Return the BENTOML_HOME that holds what was ever in production, and nothing else."""
    return folder / "production"


def stages(folder: Path) -> dict[str, Stage]:
    """Return the stage of every registered version, by name."""
    pointer, been = read_pointer(folder), _been(folder)
    return {v: _stage(v, pointer, been) for v in registered_versions(folder)}


def stage_of(folder: Path, version: str) -> Stage:
    """Return a version's stage.

    "archived" is one that was in staging or in production and no longer is; "candidate" is one that
    never was, approved or not.
    """
    return _stage(version, read_pointer(folder), _been(folder))


def settle(folder: Path) -> list[Path]:
    """Bring what is derived beside the Bentos in line with the pointer; return what was astray.

    The caller holds the line's lock.
    """
    changed = [path for path, _, _ in astray(folder)]
    for path, _, wanted in astray(folder):
        if wanted is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, wanted)
    return changed


def astray(folder: Path) -> list[tuple[Path, str | None, str | None]]:
    """Return what differs from the pointer: the file, what it holds, and what it must hold."""
    pointer, home = read_pointer(folder), production_home(folder)
    expected = {
        bento_path(home, "latest"): pointer.production if pointer else None,
        home / STAGES: json.dumps(stages(folder), indent=2) + "\n" if pointer else None,
    }
    found = [(path, _text(path), wanted) for path, wanted in expected.items()]
    return [(path, held, wanted) for path, held, wanted in found if held != wanted]


def _been(folder: Path) -> frozenset[str]:
    """Return the versions that were in staging or in production at any time."""
    moves = [event for event in read_history(folder) if event.action != "register"]
    return frozenset(event.to_version for event in moves)


def _stage(version: str, pointer: Pointer | None, been: frozenset[str]) -> Stage:
    if pointer is not None and version == pointer.production:
        return "production"
    if pointer is not None and version == pointer.staging:
        return "staging"
    return "archived" if version in been else "candidate"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
