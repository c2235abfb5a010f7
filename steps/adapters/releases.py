"""Lines of releases: one a data set, each with its own candidates, production and history."""

from pathlib import Path

from steps.adapters.release import production, production_model
from steps.adapters.workspace import state_folder


def release_folder(line: str) -> Path:
    """Return the folder that holds the releases of ``line``."""
    return state_folder() / "releases" / line


def lines() -> list[str]:
    """Return the lines that have releases, by name."""
    folder = state_folder() / "releases"
    return (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )


def champion_folder(line: str) -> Path | None:
    """Return the model folder of the line's production version, or ``None`` before the first."""
    return production_model(release_folder(line)) if release_folder(line).is_dir() else None


def champion_hash(line: str) -> str:
    """Return the content hash of the line's production model; "" before the first release."""
    if not release_folder(line).is_dir():
        return ""
    release = production(release_folder(line))
    return release.model_hash if release else ""
