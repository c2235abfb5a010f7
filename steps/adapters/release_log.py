"""The files behind a line of releases, each whole at every instant.

``production.json`` alone says what is in production; replacing it is the one moment a promotion
happens. It carries its own event, so that a history whose writer was killed can be completed, and
every version before, so that there is a way back.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from models.artifacts import Scalar
from models.errors import ReleaseError
from models.files import remove_leftovers, write_text

POINTER, HISTORY, LOCK = "production.json", "history.jsonl", "lock"
LOCK_PATIENCE_S = 120.0

Action = Literal["register", "promote", "rollback"]


class Release(BaseModel):
    """A registered model version.

    Attributes:
        version: Its name; also the Bento's version.
        tag: The Bento's tag.
        model_hash: Content hash of the ctr_model artifact.
        archive_hash: SHA-256 of the exported Bento.
        registered_at: When it was registered first.
        approved: Whether the gate approved it.
        reasons: The gate's reasons.
        metrics: The figures it was judged by.
        run: The run that made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    tag: str
    model_hash: str
    archive_hash: str
    registered_at: datetime
    approved: bool
    reasons: tuple[str, ...] = ()
    metrics: dict[str, Scalar] = {}
    run: str | None = None


class Event(BaseModel):
    """One line of the history, to which lines are only ever added."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    who: str
    action: Action
    reason: str
    from_version: str | None
    to_version: str


class Pointer(BaseModel):
    """What is in production: the last of ``versions``; before it, the way back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    versions: tuple[str, ...]
    event: Event


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the line's lock, which ends with the process; first finish what a killed one left.

    Raises:
        ReleaseError: another process holds the lock for too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(handle, folder)
        remove_leftovers(folder)
        complete_history(folder)
        yield
    finally:
        os.close(handle)


def read_pointer(folder: Path) -> Pointer | None:
    """Return what is in production, ``None`` before the first promotion."""
    path = folder / POINTER
    try:
        return Pointer.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReleaseError(
            f"The production pointer is not readable: {str(error).splitlines()[0]}",
            where=str(path),
            do="It is only ever replaced as a whole: restore the file from a backup.",
        ) from None


def switch(folder: Path, pointer: Pointer) -> None:
    """Make ``pointer`` the truth, then note its event; the caller holds the lock."""
    write_text(folder / POINTER, pointer.model_dump_json(indent=2) + "\n")
    complete_history(folder)


def release_path(folder: Path, version: str) -> Path:
    """Return the file that describes a registered version."""
    return folder / "versions" / f"{version}.json"


def read_release(folder: Path, version: str) -> Release:
    """Return a registered version; raise `ReleaseError` that names those there are."""
    path = release_path(folder, version)
    try:
        return Release.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = [release.version for release in read_releases(folder)]
        raise ReleaseError(
            f"No version is named {version!r}.",
            where=str(path.parent),
            allowed=", ".join(known) or "none is registered yet",
            do="Name one of these; every run registers the version it makes.",
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReleaseError(
            f"The version is not readable: {str(error).splitlines()[0]}", where=str(path)
        ) from None


def read_releases(folder: Path) -> list[Release]:
    """Return all registered versions, oldest first."""
    paths = (folder / "versions").glob("[!.]*.json")
    found = [read_release(folder, path.stem) for path in paths]
    return sorted(found, key=lambda release: (release.registered_at, release.version))


def read_history(folder: Path) -> list[Event]:
    """Return all events, oldest first, with those whose writer was killed before noting them."""
    noted = _whole_lines(folder / HISTORY)[0]
    return [*noted, *_missing(folder, noted)]


def complete_history(folder: Path) -> None:
    """Note the events that a killed writer did not; the caller holds the lock."""
    path = folder / HISTORY
    noted, length = _whole_lines(path)
    missing = _missing(folder, noted)
    if not missing and (not path.exists() or path.stat().st_size == length):
        return
    text = "".join(event.model_dump_json() + "\n" for event in missing)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(handle, length)  # a line cut short is no event: its writer was killed
        os.pwrite(handle, text.encode(), length)
        os.fsync(handle)
    finally:
        os.close(handle)


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def registration(release: Release) -> Event:
    """Return the event of a version's registration."""
    return Event(
        at=release.registered_at,
        who=f"run {release.run}" if release.run else "pipeline",
        action="register",
        reason="; ".join(release.reasons),
        from_version=None,
        to_version=release.version,
    )


def _missing(folder: Path, noted: list[Event]) -> list[Event]:
    registered = {event.to_version for event in noted if event.action == "register"}
    missing = [
        registration(release)
        for release in read_releases(folder)
        if release.version not in registered
    ]
    pointer = read_pointer(folder)
    switches = [event for event in noted if event.action != "register"]
    if pointer is not None and (not switches or switches[-1] != pointer.event):
        missing.append(pointer.event)
    return missing


def _whole_lines(path: Path) -> tuple[list[Event], int]:
    """Return the events noted, and the number of bytes they take."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    return [Event.model_validate_json(line) for line in whole.splitlines()], len(whole)


def _acquire(handle: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"Another process has been releasing for {LOCK_PATIENCE_S:.0f} s.",
                    where=str(folder / LOCK),
                    do="Wait for it to end, then try again.",
                ) from None
            time.sleep(0.02)
        else:
            return
