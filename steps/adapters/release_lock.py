"""One writer at a time, and plain words where a folder cannot be written."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import ReleaseError

LOCK_PATIENCE_S = 120.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold the file lock at ``lock``, which ends with the process.

    Raises:
        ReleaseError: another process holds it for too long, or the folder cannot be written.
    """
    with told_plainly(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _acquire(handle, lock)
            yield
        finally:
            os.close(handle)


@contextmanager
def told_plainly(folder: Path, done: str = "Nothing was changed.") -> Iterator[None]:
    """Turn an error of the file system into a `ReleaseError`.

    Args:
        folder: What was being written.
        done: What holds all the same.
    """
    try:
        yield
    except OSError as error:
        raise ReleaseError(
            f"The releases cannot be written: {error.strerror or error}. {done}",
            where=str(error.filename or folder),
            do=_remedy(error),
        ) from None


def _remedy(error: OSError) -> str:
    if error.errno in FULL:
        return "Free space on this disk, then do it again."
    if error.errno in FORBIDDEN:
        return "Give yourself the right to write here, then do it again."
    return "Look at the disk, then do it again; `intentflow models doctor` checks what is there."


def _acquire(handle: int, lock: Path) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"Another process has been releasing for {LOCK_PATIENCE_S:.0f} s.",
                    where=str(lock),
                    do="Wait for it to end, then try again.",
                ) from None
            time.sleep(0.02)
        else:
            return
