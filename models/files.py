"""Files that are either whole or absent: written under a temporary name, fsynced, renamed."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".partial-"
ABANDONED_AFTER_S = 86_400


def write_text(path: Path, text: str) -> None:
    """Replace the file at ``path`` by ``text``, atomically and durably."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at ``path`` by ``content``, atomically and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=own_prefix(), dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of ``path`` when the block ends well.

    An older folder at ``path`` stays untouched until then, and for good if the block raises.

    Args:
        path: Where the folder is to stand.
        sync: Whether to make every file in it durable; without, the caller has done so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if sync:
            _sync_tree(temporary)
        _swap_in(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders that killed writers left anywhere under ``folder``.

    What a living process writes is left alone: the name says whose it is.
    """
    for leftover in leftovers(folder):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """Return what killed writers left half-written anywhere under ``folder``."""
    return [path for path in folder.rglob(f"{TEMPORARY_PREFIX}*") if _is_abandoned(path)]


def own_prefix() -> str:
    """Return the prefix of this process's temporary names."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-"


def _is_abandoned(path: Path) -> bool:
    owner = re.match(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-", path.name)
    try:
        if owner is None:
            return time.time() - path.stat().st_mtime > ABANDONED_AFTER_S
        os.kill(int(owner[1]), 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    except PermissionError:
        return False
    return False


def sync_folder(folder: Path) -> None:
    """Make the names inside ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _swap_in(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``; an older folder there is moved aside first and then deleted."""
    if not path.exists():
        new.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=path.parent)) / "old"
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old.parent, ignore_errors=True)
