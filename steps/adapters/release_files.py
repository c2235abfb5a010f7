"""A version's bytes: its archive, and its Bento in the line's production store."""

from pathlib import Path

from models.artifacts import file_hash, read_manifest, verify_artifact
from models.errors import ProjectError, ReleaseError
from steps.adapters.bento_store import bento_path, import_bento, model_path
from steps.adapters.release_lock import exclusive
from steps.adapters.release_records import Release, archive_path
from steps.adapters.release_stages import production_home

# Held while archives and Bentos are written. Who holds the line's own lock may wait for this one,
# never the other way round.
STORE_LOCK = "store.lock"


def archive_is_whole(folder: Path, release: Release) -> bool:
    """Tell whether a version's archive is the one that was registered."""
    archive = archive_path(folder, release.version)
    return archive.is_file() and file_hash(archive) == release.archive_hash


def bento_is_whole(folder: Path, release: Release) -> bool:
    """Tell whether the production store holds a version's Bento with the model registered."""
    try:
        found = verify_artifact(model_path(production_home(folder), release.version), "ctr_model")
    except ProjectError:
        return False
    return found.content_hash == release.model_hash


def install(folder: Path, release: Release) -> None:
    """Bring the version's Bento into the production store, if it is not there whole.

    Raises:
        ReleaseError: the archive is missing, damaged, or of another model.
    """
    if bento_is_whole(folder, release):
        return
    with exclusive(folder / STORE_LOCK):
        if not archive_is_whole(folder, release):
            raise ReleaseError(
                f"The archive of version {release.version!r} is missing or damaged.",
                where=str(archive_path(folder, release.version)),
                allowed=f"a file with the SHA-256 {release.archive_hash}",
                do="Repair it with `intentflow models doctor --repair`, or run the pipeline that "
                "made it again, which exports it anew. Production is as it was.",
            )
        reinstall(folder, release)


def reinstall(folder: Path, release: Release) -> None:
    """Bring the Bento from its archive into the production store, in place of what is there.

    The caller holds `STORE_LOCK` and knows the archive to be whole.
    """
    home = production_home(folder)
    import_bento(archive_path(folder, release.version), version=release.version, home=home)
    found = read_manifest(model_path(home, release.version)).content_hash
    if found != release.model_hash:
        raise ReleaseError(
            f"The Bento of version {release.version!r} holds another model than was registered.",
            where=str(bento_path(home, release.version)),
            allowed=release.model_hash,
        )
