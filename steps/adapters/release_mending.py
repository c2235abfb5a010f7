"""What the doctor puts right: the pointer from the history, a record or a Bento from an archive."""

from datetime import datetime
from pathlib import Path

import yaml

from models.artifacts import file_hash, verify_artifact
from models.errors import ProjectError, ReleaseError
from models.files import write_text
from steps.adapters.bento_store import (
    bento_path,
    export_bento,
    model_path,
    read_member,
)
from steps.adapters.release_files import archive_is_whole, bento_is_whole, reinstall
from steps.adapters.release_log import POINTER, complete_history, read_history_noted, replay
from steps.adapters.release_records import (
    Event,
    Release,
    archive_path,
    now,
    read_release,
    release_path,
)
from steps.adapters.release_stages import production_home, settle

SET_ASIDE = "damaged"


def rebuild_pointer(folder: Path) -> None:
    """Write the pointer the noted history leads to; the damaged file is kept aside.

    The caller holds the line's lock.
    """
    set_aside(folder, folder / POINTER)
    pointer = replay(read_history_noted(folder))
    if pointer is not None:
        write_text(folder / POINTER, pointer.model_dump_json(indent=2) + "\n")
    complete_history(folder)
    settle(folder)


def rebuild_record(folder: Path, version: str) -> Release:
    """Return a version's record, made anew of its archive and its line in the history.

    The gate's verdict is lost with the record: the version counts as not approved.

    Raises:
        ReleaseError: its archive cannot be read, or is of another version.
    """
    archive = archive_path(folder, version)
    recipe = yaml.safe_load(read_member(archive, "bento.yaml"))
    if str(recipe.get("version")) != version:
        raise ReleaseError(
            f"The archive holds the Bento of version {recipe.get('version')!r}.",
            where=str(archive),
            allowed=version,
        )
    noted = _registered(folder, version)
    release = Release(
        version=version,
        tag=f"{recipe['name']}:{version}",
        model_hash=recipe["labels"]["model_hash"],
        archive_hash=file_hash(archive),
        registered_at=noted.at if noted else now(),
        approved=False,
        reasons=("Its record was lost and made anew of its archive: the verdict is not known.",),
        run=noted.who.removeprefix("run ") if noted and noted.who.startswith("run ") else None,
    )
    set_aside(folder, release_path(folder, version))
    write_text(release_path(folder, version), release.model_dump_json(indent=2) + "\n")
    return release


def source_of(folder: Path, release: Release, stores: tuple[Path, ...]) -> Path | None:
    """Return a whole Bento of the version, in the production store or where runs build them."""
    if bento_is_whole(folder, release):
        return bento_path(production_home(folder), release.version)
    for home in stores:
        try:
            found = verify_artifact(model_path(home, release.version), "ctr_model")
        except ProjectError:
            continue
        if found.content_hash == release.model_hash:
            return bento_path(home, release.version)
    return None


def rebuild_archive(folder: Path, version: str, source: Path) -> None:
    """Export the Bento at ``source`` again, and note the archive's hash where it is another one.

    The caller holds `STORE_LOCK`.
    """
    release = read_release(folder, version)
    digest = export_bento(source, archive_path(folder, version))
    if digest != release.archive_hash:
        mended = release.model_copy(update={"archive_hash": digest})
        write_text(release_path(folder, version), mended.model_dump_json(indent=2) + "\n")


def rebuild_bento(folder: Path, version: str) -> None:
    """Bring the version's Bento into the production store again.

    The caller holds `STORE_LOCK`.

    Raises:
        ReleaseError: its archive is not whole.
    """
    release = read_release(folder, version)
    if not archive_is_whole(folder, release):
        raise ReleaseError(
            "Its archive is not whole either.",
            where=str(archive_path(folder, version)),
            do="Run the pipeline that made it again.",
        )
    reinstall(folder, release)


def set_aside(folder: Path, path: Path) -> None:
    """Move a damaged file to where nobody reads it, if it is there; nothing is thrown away."""
    if path.exists():
        place = folder / SET_ASIDE
        place.mkdir(exist_ok=True)
        path.rename(place / f"{path.name}.{_stamp(now())}")


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%S%f")


def _registered(folder: Path, version: str) -> Event | None:
    events = read_history_noted(folder)
    mine = (e for e in events if e.action == "register" and e.to_version == version)
    return next(mine, None)
