"""Artifacts: folders of safetensors, parquet and JSON whose manifest says what they are and whence.

The content hash covers the files alone, so the same bytes always have the same hash, and a step
whose input is a reference is cached by what the input holds.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import CorruptArtifactError, IncompatibleArtifactError
from models.files import new_folder
from models.settings import digest

MANIFEST = "manifest.json"
Scalar = str | int | float | bool | None


class Manifest(BaseModel):
    """What stands in ``manifest.json``; see docs/reference/artifacts.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    schema_version: int
    content_hash: str
    files: dict[str, str]
    parents: dict[str, str]
    config: dict[str, Any]
    provenance: dict[str, str]
    summary: dict[str, Scalar]


class ArtifactRef(BaseModel):
    """A small, typed pointer to an artifact folder: what steps hand to one another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    path: str
    content_hash: str
    summary: dict[str, Scalar] = {}


class Draft(BaseModel):
    """An artifact being written: put files into ``folder`` and figures into ``summary``."""

    folder: Path
    summary: dict[str, Scalar] = {}


@contextmanager
def write_artifact(
    folder: Path,
    kind: str,
    *,
    parents: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
    schema_version: int = 1,
) -> Iterator[Draft]:
    """Yield a draft that becomes the artifact at ``folder`` when the block ends well, or nothing.

    Args:
        folder: Where the artifact will stand; whatever is there is replaced as a whole.
        kind: The artifact's kind ("item_embeddings").
        parents: Role to content hash of each artifact it was made from.
        config: The settings it was made with.
        provenance: Git commit, library hash, data hash and the like.
        schema_version: Version of the layout of this kind of artifact.
    """
    with new_folder(folder) as temporary:
        draft = Draft(folder=temporary)
        yield draft
        files = {
            path.relative_to(temporary).as_posix(): file_hash(path)
            for path in sorted(temporary.rglob("*"))
            if path.is_file()
        }
        manifest = Manifest(
            kind=kind,
            schema_version=schema_version,
            content_hash=digest({"kind": kind, "schema_version": schema_version, "files": files}),
            files=files,
            parents=dict(parents or {}),
            config=dict(config or {}),
            provenance=dict(provenance or {}),
            summary=draft.summary,
        )
        (temporary / MANIFEST).write_text(
            manifest.model_dump_json(indent=2) + "\n", encoding="utf-8"
        )


def read_manifest(folder: Path, kind: str | None = None) -> Manifest:
    """Return the manifest of the artifact at ``folder``, checked to be of ``kind`` if one is given.

    Raises:
        CorruptArtifactError: there is no artifact, or its manifest is not readable.
        IncompatibleArtifactError: it is of another kind.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError, json.JSONDecodeError) as error:
        raise CorruptArtifactError(
            f"This is no whole artifact: {str(error).splitlines()[0]}",
            where=str(folder),
            do="Run the pipeline again, or bring the run's files back: intentflow checkout RUN",
        ) from None
    if kind is not None and manifest.kind != kind:
        raise IncompatibleArtifactError(
            f"The artifact is of kind {manifest.kind!r}.", where=str(folder), allowed=kind
        )
    return manifest


def reference(folder: Path) -> ArtifactRef:
    """Return the pointer to the artifact at ``folder``."""
    manifest = read_manifest(folder)
    return ArtifactRef(
        kind=manifest.kind,
        path=str(folder),
        content_hash=manifest.content_hash,
        summary=manifest.summary,
    )


def verify_artifact(folder: Path, kind: str | None = None) -> Manifest:
    """Return the manifest after comparing every file's bytes with it.

    Raises:
        CorruptArtifactError: a file is missing, was added or differs, by name.
    """
    manifest = read_manifest(folder, kind)
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    wrong = sorted(present.symmetric_difference(manifest.files)) or [
        name for name, expected in manifest.files.items() if file_hash(folder / name) != expected
    ]
    if wrong:
        raise CorruptArtifactError(
            f"{len(wrong)} files differ from the manifest: {', '.join(wrong[:5])}.",
            where=str(folder),
            do="Bring the files back: intentflow checkout RUN",
        )
    return manifest


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
