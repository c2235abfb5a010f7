"""Where the item embeddings of a drift report's two windows are: found by the hashes of models."""

from collections.abc import Mapping
from pathlib import Path

from models.artifacts import read_manifest
from models.errors import CorruptArtifactError
from steps.adapters.workspace import state_folder

KIND = "item_embeddings"


def embeddings_of_windows(folders: Mapping[str, Path], champion: Path | None) -> dict[str, Path]:
    """Return the folders of ``embeddings`` and ``embeddings_before``, those that can be found.

    The current window is seen through the embeddings its intents were binned by, the reference
    through those that production was trained with: another encoder is then another distribution.

    Args:
        folders: The artifacts ``model`` and ``intents``.
        champion: The production model's folder; None before the first release.
    """
    now = _embeddings_of(folders["intents"])
    before = _embeddings_of(champion or folders["model"])
    if now is None:
        return {}
    return {"embeddings": now, "embeddings_before": before or now}


def hashes_of(folders: Mapping[str, Path]) -> dict[str, str]:
    """Return the content hashes of the embeddings among ``folders``."""
    roles = ("embeddings", "embeddings_before")
    return {role: read_manifest(folders[role]).content_hash for role in roles if role in folders}


def _embeddings_of(folder: Path) -> Path | None:
    """Return the folder of the embeddings an artifact was made from; None where it is gone."""
    wanted = read_manifest(folder).parents.get("embeddings")
    for manifest in (state_folder() / "artifacts" / KIND).glob("*/manifest.json"):
        try:
            if read_manifest(manifest.parent).content_hash == wanted:
                return manifest.parent
        except CorruptArtifactError:
            continue
    return None
