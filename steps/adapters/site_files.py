"""The files of the report site: whole or absent, and those that did not change kept as they are.

A site is written beside the one it replaces. A page that is drawn again alike, or whose source has
not changed, becomes a second name of the old file (a hard link), so that its bytes and its time
stay; so does any large file of an artifact.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ConfigError
from models.files import new_folder

RECORD = "site.json"
SYNCING = 16  # files at a time: each waits for the disk, and a first build writes hundreds


class Entry(BaseModel):
    """What a file of the site was made of.

    Attributes:
        mark: Changes when its content would.
        size: Its bytes.
        refers_to: Places in the site that it refers to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: str
    size: int
    refers_to: tuple[str, ...] = ()


class SiteFolder:
    """A site being written.

    Attributes:
        entries: What was put into it so far: place → what it was made of.
        kept: How many files were taken from the site before.
    """

    def __init__(self, new: Path, old: Path) -> None:
        """Write into ``new``, taking what did not change from ``old``."""
        self.entries: dict[str, Entry] = {}
        self.kept = 0
        self._written: list[Path] = []
        self._new, self._old = new, old
        self._before = _record(old)

    def put(self, place: str, html: str) -> None:
        """Write a page, unless the old one is the same."""
        content = html.encode("utf-8")
        mark = sha256(content).hexdigest()
        if self.keep(place, mark) is None:
            self.write(place, content, mark)

    def keep(self, place: str, mark: str) -> Entry | None:
        """Take a file over from the site before if its mark is the same; ``None`` if it is not."""
        entry, old = self._before.get(place), self._old / place
        if entry is None or entry.mark != mark:
            return None
        if not old.is_file() or old.stat().st_size != entry.size:
            return None
        link(old, self._path(place))
        self.entries[place] = entry
        self.kept += 1
        return entry

    def write(
        self, place: str, content: bytes, mark: str, refers_to: tuple[str, ...] = ()
    ) -> Entry:
        """Write a file and note what it was made of."""
        path = self._path(place)
        path.write_bytes(content)
        self._written.append(path)
        entry = self.entries[place] = Entry(mark=mark, size=len(content), refers_to=refers_to)
        return entry

    def take(self, place: str, source: Path) -> Entry:
        """Give a file of the state folder a second name in the site."""
        link(source, self._path(place))
        entry = self.entries[place] = Entry(mark=stamp(source), size=source.stat().st_size)
        self.kept += self._before.get(place) == entry
        return entry

    def finish(self) -> None:
        """Write the record, which also says that the folder is a site, and make all durable."""
        record = {place: entry.model_dump(mode="json") for place, entry in self.entries.items()}
        path = self._new / RECORD
        path.write_text(json.dumps(record, indent=0) + "\n", encoding="utf-8")
        with ThreadPoolExecutor(SYNCING) as pool:
            list(pool.map(_sync, [*self._written, path]))

    def _path(self, place: str) -> Path:
        path = self._new / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def new_site(folder: Path, lock: Path) -> Iterator[SiteFolder]:
    """Yield the site that takes the place of the one at ``folder`` when the block ends well.

    Args:
        folder: Where the site is to stand: absent, empty, or a site already.
        lock: A file that only one builder at a time holds.

    Raises:
        ConfigError: something else is there.
    """
    _refuse_others_files(folder)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with new_folder(folder, sync=False) as new:
            site = SiteFolder(new, folder)
            yield site
            site.finish()


def stamp(path: Path) -> str:
    """Return what tells a file from what it was before, without reading it."""
    state = path.stat()
    return f"{state.st_size}-{state.st_mtime_ns}"


def link(source: Path, path: Path) -> None:
    """Give a file a second name; copy it where the file systems do not allow that."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copy2(source, path)


def _sync(path: Path) -> None:
    """Make a new file durable; what is linked from the site before is durable already."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _refuse_others_files(folder: Path) -> None:
    if not folder.exists():
        return
    if folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir())):
        return
    raise ConfigError(
        "The site may not take the place of files that are not a report site.",
        where=str(folder),
        allowed="a folder that is not there yet, is empty, or holds an earlier report site",
        do="Name another folder: intentflow report --out FOLDER",
    )


def _record(folder: Path) -> dict[str, Entry]:
    """Return what the site at ``folder`` was made of; nothing where that is not known."""
    try:
        told = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {place: Entry.model_validate(entry) for place, entry in told.items()}
    except (OSError, ValueError, AttributeError, ValidationError):
        return {}
