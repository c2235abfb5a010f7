"""Releases of one line: which version is in production, how it got there, and the way back.

A version is registered with its exported Bento. Promoting brings that Bento into the line's own
production store, and then moves one pointer: at any instant, and after a kill at any instant,
exactly one version is in production. Everything else that tells of stages follows the pointer.
"""

from pathlib import Path

from models.errors import ReleaseError
from steps.adapters.bento_store import model_path
from steps.adapters.release_files import archive_is_whole, install
from steps.adapters.release_lock import told_plainly
from steps.adapters.release_log import (
    Action,
    Event,
    Pointer,
    Release,
    back_to,
    done,
    locked,
    now,
    read_history,
    read_pointer,
    read_release,
    read_releases,
    release_path,
    switch,
)
from steps.adapters.release_records import archive_path
from steps.adapters.release_register import register_candidate
from steps.adapters.release_stages import production_home, settle, stage_of, stages

__all__ = [
    "Event",
    "Release",
    "archive_path",
    "history",
    "production",
    "production_home",
    "production_model",
    "promote",
    "register_candidate",
    "releases",
    "rollback",
    "stage",
    "stage_of",
    "stages",
    "staging",
    "withdraw",
]


def stage(folder: Path, version: str, *, reason: str, who: str) -> Release:
    """Let ``version`` wait for its promotion in staging, and return it; the one there leaves.

    A version the gate did not approve may wait as well; its promotion still needs the override.

    Args:
        folder: The line's folder.
        version: A registered version.
        reason: Why; it is kept in the history.
        who: Who decides; it is kept in the history.

    Raises:
        ReleaseError: there is no such version or reason, it is in production, its archive is
            damaged, or the folder cannot be written.
    """
    _require_reason(reason)
    release = read_release(folder, version)
    if not archive_is_whole(folder, release):
        raise ReleaseError(
            f"The archive of version {version!r} is missing or damaged.",
            where=str(archive_path(folder, version)),
            do="Repair it: intentflow models doctor --repair",
        )
    with locked(folder):
        before = read_pointer(folder)
        if before is not None and version == before.production:
            raise ReleaseError(
                f"Version {version!r} is in production.", where=str(folder), do="Stage another one."
            )
        if before is not None and version == before.staging:
            settle(folder)
            return release
        event = _event("stage", reason, who, before.staging if before else None, version)
        versions = before.versions if before else ()
        _move(folder, Pointer(versions=versions, staging=version, event=event))
        return release


def withdraw(folder: Path, *, reason: str, who: str) -> Release:
    """Take the version out of staging, to the archived ones, and return it.

    Raises:
        ReleaseError: there is no reason, nothing is in staging, or the folder cannot be written.
    """
    _require_reason(reason)
    with locked(folder):
        before = read_pointer(folder)
        if before is None or before.staging is None:
            raise ReleaseError("No version is in staging.", where=str(folder))
        release = read_release(folder, before.staging)
        event = _event("withdraw", reason, who, before.staging, before.staging)
        _move(folder, Pointer(versions=before.versions, event=event))
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
        override: Promote a version the gate did not approve; the history keeps what it set aside.

    Raises:
        ReleaseError: there is no such version or reason, the gate did not approve it, its archive
            is damaged, or the folder cannot be written.
    """
    _require_reason(reason)
    release = read_release(folder, version)
    if version != _production(folder):
        _require_approval(folder, release, override=override)
        install(folder, release)  # most of the work, while others may still move the pointer
    with locked(folder):
        before = read_pointer(folder)
        if before is not None and version == before.production:
            settle(folder)
            return release
        release = read_release(folder, version)
        _require_approval(folder, release, override=override)
        install(folder, release)
        event = _event("promote", reason, who, before.production if before else None, version)
        event = event.model_copy(update={"overrode": release.objections})
        waiting = before.staging if before else None
        _move(
            folder,
            Pointer(
                versions=(*(before.versions if before else ()), version),
                staging=None if waiting == version else waiting,
                event=event,
            ),
        )
        return release


def rollback(folder: Path, *, reason: str, who: str, to: str | None = None) -> Release:
    """Make the version before the current one the production version and return it.

    Args:
        folder: The line's folder.
        reason: Why; it is kept in the history.
        who: Who decides; it is kept in the history.
        to: Go back further, to this version.

    Raises:
        ReleaseError: there is no reason, no version before, ``to`` is none of them, its Bento and
            its archive are damaged, or the folder cannot be written.
    """
    _require_reason(reason)
    with locked(folder):
        before = read_pointer(folder)
        if before is None or len(before.versions) < 2:
            raise ReleaseError(
                "There is no version to go back to.",
                where=str(folder),
                allowed="a line on which two versions were promoted",
                do="Promote another version: intentflow promote VERSION --reason WHY",
            )
        earlier = before.versions[:-1]
        if to is not None and to not in earlier:
            raise ReleaseError(
                f"Version {to!r} is not on the way back.",
                where=str(folder),
                allowed=", ".join(dict.fromkeys(reversed(earlier))),
                do="Name one of these, or promote it: intentflow promote VERSION --reason WHY",
            )
        release = read_release(folder, to or earlier[-1])
        install(folder, release)
        event = _event("rollback", reason, who, before.production, release.version)
        versions = tuple(back_to(before.versions, release.version))
        _move(folder, Pointer(versions=versions, staging=before.staging, event=event))
        return release


def production(folder: Path) -> Release | None:
    """Return the production version, or ``None`` before the first promotion."""
    version = _production(folder)
    return None if version is None else read_release(folder, version)


def staging(folder: Path) -> Release | None:
    """Return the version that waits for promotion, ``None`` where none does."""
    pointer = read_pointer(folder)
    version = pointer.staging if pointer else None
    return None if version is None else read_release(folder, version)


def production_model(folder: Path) -> Path | None:
    """Return the model folder (a ctr_model artifact) of the production version."""
    version = _production(folder)
    return None if version is None else model_path(production_home(folder), version)


def history(folder: Path) -> list[Event]:
    """Return every event, oldest first."""
    return read_history(folder)


def releases(folder: Path) -> list[Release]:
    """Return every registered version, oldest first."""
    return read_releases(folder)


def _move(folder: Path, pointer: Pointer) -> None:
    switch(folder, pointer)
    with told_plainly(folder, done=done(pointer)):
        settle(folder)


def _event(
    action: Action, reason: str, who: str, from_version: str | None, to_version: str
) -> Event:
    return Event(
        at=now(),
        who=who,
        action=action,
        reason=reason,
        from_version=from_version,
        to_version=to_version,
    )


def _production(folder: Path) -> str | None:
    pointer = read_pointer(folder)
    return None if pointer is None else pointer.production


def _require_approval(folder: Path, release: Release, *, override: bool) -> None:
    if not release.approved and not override:
        why = "; ".join(release.objections)
        raise ReleaseError(
            f"The gate did not approve version {release.version!r}: {why}",
            where=str(release_path(folder, release.version)),
            allowed="an approved version",
            do="Promote it all the same with --override and a reason.",
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReleaseError("A change of production needs a reason.", do="Give one with --reason.")
