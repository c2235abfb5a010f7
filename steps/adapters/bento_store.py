"""Bento stores: where a Bento stands, into one file and back. Without BentoML and without torch.

Going back must not wait for a machine-learning library to be imported.
"""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO

import yaml
from pydantic import BaseModel, ConfigDict

from models.artifacts import file_hash, verify_artifact
from models.errors import ReleaseError
from models.files import new_folder, own_prefix, sync_folder

NAME = "intentflow"
BLOCK = 1 << 20


class BentoRef(BaseModel):
    """A built Bento that has answered a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    path: str
    home: str
    version: str
    model_hash: str
    size_bytes: int


def bento_path(home: Path, version: str) -> Path:
    """Return where the Bento of ``version`` stands in the store ``home``."""
    return home / "bentos" / NAME / version


def model_path(home: Path, version: str) -> Path:
    """Return the model folder inside the Bento of ``version``."""
    return bento_path(home, version) / "src" / "model"


def size_of(bento: Path) -> int:
    """Return the bytes of a Bento's files."""
    return sum(path.stat().st_size for path in bento.rglob("*") if path.is_file())


def export_bento(bento: Path, archive: Path) -> str:
    """Write a Bento into a tar file, which appears as a whole, and return its SHA-256.

    The file is what ``bentoml export`` writes and ``bentoml import`` reads, but for owners and
    times: the same Bento always has the same archive.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=own_prefix(), dir=archive.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                tar.add(bento, ".", recursive=False, filter=_anonymous)
                for path in sorted(bento.rglob("*")):
                    name = f"./{path.relative_to(bento).as_posix()}"
                    tar.add(path, name, recursive=False, filter=_anonymous)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        digest = file_hash(Path(temporary))
        Path(temporary).replace(archive)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(archive.parent)
    return digest


def import_bento(archive: Path, *, version: str, home: Path) -> Path:
    """Bring an exported Bento into the store ``home``, as a whole, and return its folder.

    Raises:
        ReleaseError: the archive cannot be read, or it holds another version.
        CorruptArtifactError: the model in it differs from its manifest.
    """
    home.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
    try:
        _unpack(archive, scratch / "bento")
        _require_version(scratch / "bento", version, archive)
        verify_artifact(scratch / "bento" / "src" / "model", "ctr_model")
        place_bento(scratch / "bento", bento_path(home, version))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return bento_path(home, version)


def place_bento(built: Path, place: Path) -> None:
    """Move a Bento to its place in a store, at once."""
    with new_folder(place) as folder:
        for child in built.iterdir():
            child.rename(folder / child.name)


def altered_files(bento: Path, archive: Path) -> list[str]:
    """Return the files in which a Bento differs from its archive: changed, missing or added.

    What Python compiled beside the sources counts for nothing.

    Raises:
        ReleaseError: the archive cannot be read.
    """
    found = {
        path.relative_to(bento).as_posix(): path
        for path in bento.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    wrong: list[str] = []
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in (member for member in tar if member.isfile()):
                name = member.name.removeprefix("./")
                path, content = found.pop(name, None), tar.extractfile(member)
                if path is None or content is None or not _same(path, content, member.size):
                    wrong.append(name)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _unreadable(archive, error) from None
    return sorted([*wrong, *found])


def read_member(archive: Path, name: str) -> bytes:
    """Return one file of an exported Bento, by its path in the Bento.

    Raises:
        ReleaseError: the archive cannot be read, or has no such file.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            content = tar.extractfile(f"./{name}")
            if content is not None:
                return content.read()
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise _unreadable(archive, error) from None
    raise _unreadable(archive, KeyError(name))


def _same(path: Path, content: IO[bytes], size: int) -> bool:
    if path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if block != content.read(len(block)):
                return False
    return True


def _unpack(archive: Path, into: Path) -> None:
    try:
        with tarfile.open(archive, "r:*") as tar:
            tar.extractall(into, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise _unreadable(archive, error) from None


def _require_version(bento: Path, version: str, archive: Path) -> None:
    try:
        recipe = yaml.safe_load((bento / "bento.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unreadable(archive, error) from None
    found = recipe.get("version") if isinstance(recipe, dict) else None
    if found != version:
        raise ReleaseError(
            f"The archive holds the Bento of version {found!r}.",
            where=str(archive),
            allowed=version,
            do="Import it under its own version.",
        )


def _unreadable(archive: Path, error: Exception) -> ReleaseError:
    return ReleaseError(
        f"The archive is no whole Bento: {str(error).splitlines()[0] if str(error) else 'empty'}.",
        where=str(archive),
        allowed="what `bentoml export` writes",
        do="Run the pipeline that made it again, which exports it anew.",
    )


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    return member
