"""A built Bento becomes a registered version: its record, and its archive in the line's folder."""

from pathlib import Path

from models.artifacts import Scalar, verify_artifact
from models.errors import ReleaseError
from models.files import write_text
from steps.adapters.bento_store import BentoRef, export_bento
from steps.adapters.release_files import STORE_LOCK, archive_is_whole
from steps.adapters.release_lock import exclusive
from steps.adapters.release_log import locked, read_pointer
from steps.adapters.release_records import (
    Release,
    archive_path,
    now,
    read_release,
    release_path,
)
from steps.adapters.release_stages import settle


def register_candidate(
    folder: Path,
    bento: BentoRef,
    *,
    approved: bool,
    reasons: tuple[str, ...] = (),
    metrics: dict[str, Scalar] | None = None,
    run: str | None = None,
) -> Release:
    """Return the release of ``bento``, exported into the line's registry.

    A version that is registered already keeps its date and its run; the verdict is
    renewed, unless it is in production.

    Args:
        folder: The line's folder.
        bento: A built Bento.
        approved: The gate's verdict.
        reasons: The gate's reasons.
        metrics: The figures it was judged by.
        run: The run that made it.

    Raises:
        CorruptArtifactError: the Bento's model is no longer whole.
        ReleaseError: another model is registered under the same version, or the folder cannot be
            written.
    """
    with exclusive(folder / STORE_LOCK):
        known = _registered(folder, bento)
        if known is not None and _in_production(folder, bento.version):
            return known
        release = Release(
            version=bento.version,
            tag=bento.tag,
            model_hash=bento.model_hash,
            archive_hash=_exported(folder, bento, known),
            registered_at=known.registered_at if known else now(),
            approved=approved,
            reasons=reasons,
            metrics=metrics or {},
            run=known.run if known else run,
        )
        write_text(release_path(folder, release.version), release.model_dump_json(indent=2) + "\n")
    with locked(folder):
        settle(folder)
    return release


def _in_production(folder: Path, version: str) -> bool:
    pointer = read_pointer(folder)
    return pointer is not None and pointer.production == version


def _exported(folder: Path, bento: BentoRef, known: Release | None) -> str:
    if known is not None and archive_is_whole(folder, known):
        return known.archive_hash
    built = Path(bento.path)
    found = verify_artifact(built / "src" / "model", "ctr_model").content_hash
    if found != bento.model_hash:
        raise ReleaseError(
            f"The Bento holds another model than was packaged: {found[:12]}.",
            where=str(built),
            allowed=bento.model_hash[:12],
            do="Package the model again.",
        )
    return export_bento(built, archive_path(folder, bento.version))


def _registered(folder: Path, bento: BentoRef) -> Release | None:
    if not release_path(folder, bento.version).is_file():
        return None
    known = read_release(folder, bento.version)
    if known.model_hash != bento.model_hash:
        raise ReleaseError(
            f"Version {bento.version!r} is registered with another model.",
            where=str(release_path(folder, bento.version)),
            allowed=known.model_hash,
            do="Register the new model under another version.",
        )
    return known
