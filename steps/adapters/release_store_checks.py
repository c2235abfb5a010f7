"""The doctor's checks of what a line stores: records, archives, and the Bentos in production."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from models.errors import ReleaseError
from steps.adapters.bento_store import altered_files, bento_path
from steps.adapters.release_files import STORE_LOCK, archive_is_whole, bento_is_whole
from steps.adapters.release_lock import exclusive, told_plainly
from steps.adapters.release_log import read_history_noted, read_pointer
from steps.adapters.release_mending import (
    rebuild_archive,
    rebuild_bento,
    rebuild_record,
    source_of,
)
from steps.adapters.release_records import (
    Release,
    archive_path,
    read_release,
    readable_releases,
    registered_versions,
    release_path,
)
from steps.adapters.release_stages import production_home
from steps.adapters.release_trouble import Trouble

AGAIN = "Run the pipeline that made it again, which exports it anew."


def records(folder: Path) -> Iterator[Trouble]:
    """Yield the versions that the line knows of and whose record is missing or unreadable."""
    for version in sorted({*_known(folder), *registered_versions(folder)}):
        try:
            read_release(folder, version)
            continue
        except ReleaseError as error:
            path = release_path(folder, version)
            what = error.what if path.exists() else f"The record of version {version!r} is missing."
        if archive_path(folder, version).is_file():
            cure = partial(_with_store, folder, partial(rebuild_record, folder, version))
            yield Trouble("record", what, str(path), cure=cure)
        else:
            yield Trouble("record", what, str(path), do=f"Its archive is missing too. {AGAIN}")


def archives(folder: Path, stores: tuple[Path, ...]) -> Iterator[Trouble]:
    """Yield the versions whose archive is missing or damaged."""
    for release in readable_releases(folder):
        if archive_is_whole(folder, release):
            continue
        path, version = archive_path(folder, release.version), release.version
        state = "damaged" if path.exists() else "missing"
        what = f"The archive of version {version!r} is {state}."
        source = source_of(folder, release, stores)
        if source is None:
            yield Trouble("archive", what, str(path), do=AGAIN)
        else:
            cure = partial(_with_store, folder, partial(rebuild_archive, folder, version, source))
            yield Trouble("archive", what, str(path), cure=cure)


def bentos(folder: Path) -> Iterator[Trouble]:
    """Yield the versions whose Bento in the production store is missing, damaged or changed."""
    needed = _needed(folder)
    for release in readable_releases(folder):
        place = bento_path(production_home(folder), release.version)
        if not place.is_dir() and release.version not in needed:
            continue
        if what := _damage(folder, release, place):
            mend = partial(rebuild_bento, folder, release.version)
            cure = partial(_with_store, folder, mend)
            told = f"The Bento of version {release.version!r} in the production store {what}."
            yield Trouble("bento", told, str(place), cure=cure)


def strays(folder: Path) -> Iterator[Trouble]:
    """Yield the archives of versions whose registration was killed: nothing else knows of them."""
    known = {*_known(folder), *registered_versions(folder)}
    for archive in sorted((folder / "archives").glob("[!.]*.tar")):
        if archive.stem not in known:
            what = f"The archive of {archive.stem!r}, whose registration did not end."
            cure = partial(_with_store, folder, partial(_remove_stray, folder, archive))
            yield Trouble("leftover", what, str(archive), cure=cure)


def _damage(folder: Path, release: Release, place: Path) -> str:
    """Return what is wrong with a Bento; "" where nothing is."""
    if not place.is_dir():
        return "is missing"
    if not bento_is_whole(folder, release):
        return "holds no whole model"
    if not archive_is_whole(folder, release):
        return ""  # nothing to compare with
    changed = altered_files(place, archive_path(folder, release.version))
    listed = ", ".join(changed[:3])
    return f"differs from its archive in {len(changed)} files: {listed}" if changed else ""


def _needed(folder: Path) -> frozenset[str]:
    """Return the versions on the way back, the one in production included."""
    try:
        pointer = read_pointer(folder)
    except ReleaseError:
        return frozenset()
    return frozenset(pointer.versions) if pointer else frozenset()


def _known(folder: Path) -> set[str]:
    """Return the versions that the history or the pointer tells of."""
    return {event.to_version for event in read_history_noted(folder)} | _needed(folder)


def _with_store(folder: Path, mend: Callable[[], object]) -> None:
    with exclusive(folder / STORE_LOCK):
        mend()


def _remove_stray(folder: Path, archive: Path) -> None:
    """Remove it, unless its registration has gone on since it was found."""
    if archive.stem not in registered_versions(folder):
        with told_plainly(folder):
            archive.unlink(missing_ok=True)
