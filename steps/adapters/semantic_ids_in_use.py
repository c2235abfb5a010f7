"""The semantic IDs and the tokenizer behind the model in production, which new ones are held to."""

from pathlib import Path

from models.artifacts import Manifest, read_manifest
from models.errors import CorruptArtifactError, VersioningError
from models.tokenizers.semantic_ids import SemanticIds
from steps.adapters.dvc_records import run_record
from steps.adapters.release import production
from steps.adapters.releases import release_folder
from steps.adapters.workspace import state_folder

KIND = "semantic_ids"


def ids_in_use(line: str) -> Path | None:
    """Return the semantic IDs of the run whose model is in production on ``line``.

    ``None`` before the first release, and where the run's files are no longer here.
    """
    if not release_folder(line).is_dir():
        return None
    release = production(release_folder(line))
    if release is None or release.run is None:
        return None
    try:
        stored = run_record(state_folder(), release.run).artifacts
    except VersioningError:
        return None
    folders = (state_folder() / artifact.path for artifact in stored)
    return next((folder for folder in folders if _is_whole(folder, KIND)), None)


def ids_in_use_hash(line: str) -> str:
    """Return the content hash of these IDs; "" where there are none. For cache keys."""
    folder = ids_in_use(line)
    return "" if folder is None else read_manifest(folder).content_hash


def ids_of_another(tokenizer: Path, line: str) -> Path | None:
    """Return the IDs in use, unless ``tokenizer`` made them: there is nothing to hold it to."""
    before = ids_in_use(line)
    if before is None or SemanticIds.open(before).tokenizer_hash == _hash(tokenizer):
        return None
    return before


def tokenizer_of(semantic_ids: Path) -> Path | None:
    """Return the tokenizer that made the IDs; ``None`` where it is no longer here."""
    wanted = SemanticIds.open(semantic_ids).tokenizer_hash
    found = (state_folder() / "artifacts" / "tokenizer").glob("*")
    return next((folder for folder in sorted(found) if _hash(folder) == wanted), None)


def _is_whole(folder: Path, kind: str) -> bool:
    manifest = _manifest(folder)
    return manifest is not None and manifest.kind == kind


def _hash(folder: Path) -> str | None:
    manifest = _manifest(folder)
    return None if manifest is None else manifest.content_hash


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except CorruptArtifactError:
        return None
