"""Releases of one line: which version is in production, how it got there, and the way back.

A version is registered with its exported Bento. Promoting imports that Bento into the line's own
production store, and then moves one pointer: at any instant, and after a kill at any instant,
exactly one version is in production. The store's ``latest`` follows the pointer.
"""

from pathlib import Path

from models.artifacts import Scalar, file_hash, read_manifest, verify_artifact
from models.errors import ProjectError, ReleaseError
from models.files import write_text
from steps.adapters.bento import (
    BentoRef,
    bento_path,
    export_bento,
    import_bento,
    model_path,
)
from steps.adapters.release_log import (
    Action,
    Event,
    Pointer,
    Release,
    complete_history,
    locked,
    now,
    read_history,
    read_pointer,
    read_release,
    read_releases,
    release_path,
    switch,
)

__all__ = [
    "Event",
    "Release",
    "history",
    "production",
    "production_home",
    "production_model",
    "promote",
    "register_candidate",
    "releases",
    "rollback",
    "stage_of",
]


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
        ReleaseError: another model is registered under the same version.
    """
    with locked(folder):
        known = _registered(folder, bento)
        if known is not None and bento.version == _version(read_pointer(folder)):
            return known
        archive = archive_path(folder, bento.version)
        if known is None or not _archive_is_whole(folder, known):
            export_bento(bento, archive)
        release = Release(
            version=bento.version,
            tag=bento.tag,
            model_hash=bento.model_hash,
            archive_hash=file_hash(archive),
            registered_at=known.registered_at if known else now(),
            approved=approved,
            reasons=reasons,
            metrics=metrics or {},
            run=known.run if known else run,
        )
        write_text(release_path(folder, release.version), release.model_dump_json(indent=2) + "\n")
        complete_history(folder)
        return release


def promote(
    folder: Path, version: str, *, reason: str, who: str, override: bool = False
) -> Release:
    """Make ``version`` the production version and return it.

    Args:
        folder: The line's folder.
        version: A registered version.
        reason: Why; it is kept in the history.
        who: Who decides; it is kept in the history.
        override: Promote a version the gate did not approve.

    Raises:
        ReleaseError: there is no such version or reason, the gate did not approve it, or its
            archive is damaged.
    """
    _require_reason(reason)
    with locked(folder):
        release = read_release(folder, version)
        pointer = read_pointer(folder)
        if version == _version(pointer):
            _follow(folder, version)
            return release
        if not release.approved and not override:
            raise ReleaseError(
                f"The gate did not approve version {version!r}: {'; '.join(release.reasons)}",
                where=str(release_path(folder, version)),
                allowed="an approved version",
                do="Promote it all the same with --override and a reason.",
            )
        _install(folder, release)
        versions = (*(pointer.versions if pointer else ()), version)
        _switch(folder, versions, pointer, "promote", reason, who)
        return release


def rollback(folder: Path, *, reason: str, who: str) -> Release:
    """Make the version before the current one the production version and return it.

    Args:
        folder: The line's folder.
        reason: Why; it is kept in the history.
        who: Who decides; it is kept in the history.

    Raises:
        ReleaseError: there is no reason or no version before.
    """
    _require_reason(reason)
    with locked(folder):
        pointer = read_pointer(folder)
        if pointer is None or len(pointer.versions) == 1:
            raise ReleaseError(
                "There is no version to go back to.",
                where=str(folder),
                allowed="a line on which two versions were promoted",
                do="Promote another version: intentflow promote VERSION --reason WHY",
            )
        release = read_release(folder, pointer.versions[-2])
        _install(folder, release)
        _switch(folder, pointer.versions[:-1], pointer, "rollback", reason, who)
        return release


def production(folder: Path) -> Release | None:
    """Return the production version, or ``None`` before the first promotion."""
    pointer = read_pointer(folder)
    return None if pointer is None else read_release(folder, pointer.versions[-1])


def production_home(folder: Path) -> Path:
    """Return the BENTOML_HOME that holds what was ever in production, and nothing else."""
    return folder / "production"


def production_model(folder: Path) -> Path | None:
    """Return the model folder (a ctr_model artifact) of the production version."""
    version = _version(read_pointer(folder))
    return None if version is None else model_path(production_home(folder), version)


def history(folder: Path) -> list[Event]:
    """Return every event, oldest first."""
    return read_history(folder)


def releases(folder: Path) -> list[Release]:
    """Return every registered version, oldest first."""
    return read_releases(folder)


def stage_of(folder: Path, version: str) -> str:
    """Return "production", "archived" for a version that was in production, else "candidate"."""
    if version == _version(read_pointer(folder)):
        return "production"
    been = {event.to_version for event in read_history(folder) if event.action != "register"}
    return "archived" if version in been else "candidate"


def archive_path(folder: Path, version: str) -> Path:
    """Return the exported Bento of a registered version."""
    return folder / "archives" / f"{version}.tar"


def _switch(
    folder: Path,
    versions: tuple[str, ...],
    before: Pointer | None,
    action: Action,
    reason: str,
    who: str,
) -> None:
    event = Event(
        at=now(),
        who=who,
        action=action,
        reason=reason,
        from_version=_version(before),
        to_version=versions[-1],
    )
    switch(folder, Pointer(versions=versions, event=event))
    _follow(folder, versions[-1])


def _follow(folder: Path, version: str) -> None:
    write_text(bento_path(production_home(folder), "latest"), version)


def _install(folder: Path, release: Release) -> None:
    """Bring the version's Bento into the production store, if it is not there whole."""
    home, version = production_home(folder), release.version
    try:
        verify_artifact(model_path(home, version), "ctr_model")
    except ProjectError:
        archive = archive_path(folder, version)
        if not _archive_is_whole(folder, release):
            raise ReleaseError(
                f"The archive of version {version!r} is missing or damaged.",
                where=str(archive),
                allowed=f"a file with the SHA-256 {release.archive_hash}",
                do="Run the pipeline that made it again, which exports it anew; production is "
                "as it was.",
            ) from None
        import_bento(archive, version=version, home=home)
    found = read_manifest(model_path(home, version)).content_hash
    if found != release.model_hash:
        raise ReleaseError(
            f"The Bento of version {version!r} holds another model than was registered.",
            where=str(bento_path(home, version)),
            allowed=release.model_hash,
        )


def _archive_is_whole(folder: Path, release: Release) -> bool:
    archive = archive_path(folder, release.version)
    return archive.is_file() and file_hash(archive) == release.archive_hash


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


def _version(pointer: Pointer | None) -> str | None:
    return None if pointer is None else pointer.versions[-1]


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReleaseError("A change of production needs a reason.", do="Give one with --reason.")
