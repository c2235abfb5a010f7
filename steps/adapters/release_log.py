"""The files behind a line of releases, each whole at every instant.

``production.json`` alone says what is in production and in staging; replacing it is the one moment
a version changes its stage. It carries its own event, so that a history whose writer was killed can
be completed, and every version before, so that there is a way back.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from models.errors import ReleaseError
from models.files import remove_leftovers, write_text
from steps.adapters.release_lock import LOCK_PATIENCE_S, exclusive, told_plainly
from steps.adapters.release_records import (
    Action,
    Event,
    Pointer,
    Release,
    Stage,
    now,
    read_release,
    read_releases,
    readable_releases,
    registration,
    release_path,
)

__all__ = [
    "HISTORY",
    "LOCK",
    "LOCK_PATIENCE_S",
    "POINTER",
    "Action",
    "Event",
    "Pointer",
    "Release",
    "Stage",
    "back_to",
    "complete_history",
    "damaged_lines",
    "done",
    "locked",
    "now",
    "read_history",
    "read_history_noted",
    "read_pointer",
    "read_release",
    "read_releases",
    "registration",
    "release_path",
    "replay",
    "switch",
]

POINTER, HISTORY, LOCK = "production.json", "history.jsonl", "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the line's lock, which ends with the process; first finish what a killed one left.

    Raises:
        ReleaseError: another process holds the lock for too long, or the folder cannot be written.
    """
    with exclusive(folder / LOCK):
        remove_leftovers(folder)
        complete_history(folder)
        yield


def read_pointer(folder: Path) -> Pointer | None:
    """Return where the line stands, ``None`` before the first version was staged or promoted."""
    path = folder / POINTER
    try:
        return Pointer.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReleaseError(
            f"The production pointer is not readable: {str(error).splitlines()[0]}",
            where=str(path),
            do="Rebuild it from the history: intentflow models doctor --repair",
        ) from None


def switch(folder: Path, pointer: Pointer) -> None:
    """Make ``pointer`` the truth, then note its event; the caller holds the lock.

    Raises:
        OSError: the pointer could not be replaced: everything is as it was.
        ReleaseError: it was replaced, but the event could not be noted.
    """
    try:
        write_text(folder / POINTER, pointer.model_dump_json(indent=2) + "\n")
    except OSError:
        if read_pointer(folder) != pointer:  # the name is there although its folder did not sync
            raise
    with told_plainly(folder, done=done(pointer)):
        complete_history(folder)


def done(pointer: Pointer) -> str:
    """Return what holds from the moment ``pointer`` is in place, whatever fails after it."""
    event = pointer.event
    return (
        f"But it is done: {event.action} {event.to_version} stands in {POINTER}, and whoever comes "
        "next completes the rest."
    )


def read_history(folder: Path) -> list[Event]:
    """Return all events, oldest first, with those whose writer was killed before noting them."""
    noted = _whole_lines(folder / HISTORY)[0]
    return [*noted, *_missing(folder, noted)]


def read_history_noted(folder: Path) -> list[Event]:
    """Return the events that stand in the file, whatever the pointer says."""
    return _whole_lines(folder / HISTORY)[0]


def complete_history(folder: Path) -> bool:
    """Note the events that a killed writer did not, and tell whether there was anything to do.

    The caller holds the lock.
    """
    path = folder / HISTORY
    noted, length = _whole_lines(path)
    missing = _missing(folder, noted)
    if not missing and (not path.exists() or path.stat().st_size == length):
        return False
    text = "".join(event.model_dump_json() + "\n" for event in missing).encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(handle, length)  # a line cut short is no event: its writer was killed
        if os.pwrite(handle, text, length) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def damaged_lines(folder: Path) -> list[int]:
    """Return the numbers of the whole lines of the history that are no events."""
    lines = _content(folder / HISTORY).split(b"\n")[:-1]
    return [number for number, line in enumerate(lines, start=1) if _event(line) is None]


def replay(events: list[Event]) -> Pointer | None:
    """Return where the events lead to: the pointer as it must be after the last of them."""
    versions: list[str] = []
    staging: str | None = None
    last: Event | None = None
    for event in events:
        if event.action == "register":
            continue
        last = event
        if event.action == "promote":
            versions.append(event.to_version)
            staging = None if staging == event.to_version else staging
        elif event.action == "rollback":
            versions = back_to(versions, event.to_version)
        else:
            staging = event.to_version if event.action == "stage" else None
    return None if last is None else Pointer(versions=tuple(versions), staging=staging, event=last)


def back_to(versions: Sequence[str], version: str) -> list[str]:
    """Return the way back to ``version``: what was promoted up to it, the last time before now."""
    before = list(versions[:-1])
    while before and before[-1] != version:
        before.pop()
    return before or [version]


def _missing(folder: Path, noted: list[Event]) -> list[Event]:
    registered = {event.to_version for event in noted if event.action == "register"}
    missing = [
        registration(release)
        for release in readable_releases(folder)
        if release.version not in registered
    ]
    pointer = read_pointer(folder)
    moves = [event for event in noted if event.action != "register"]
    if pointer is not None and (not moves or moves[-1] != pointer.event):
        missing.append(pointer.event)
    return missing


def _whole_lines(path: Path) -> tuple[list[Event], int]:
    """Return the events noted, and the number of bytes they take.

    A damaged line is passed over here, so that it keeps nobody from going back.
    """
    content = _content(path)
    whole = content[: content.rfind(b"\n") + 1]
    events = [_event(line) for line in whole.splitlines()]
    return [event for event in events if event is not None], len(whole)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ReleaseError(
            f"The history is not readable: {error.strerror or error}.",
            where=str(path),
            do="Give yourself the right to read it.",
        ) from None


def _event(line: bytes) -> Event | None:
    try:
        return Event.model_validate_json(line)
    except ValidationError:
        return None
