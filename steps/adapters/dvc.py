"""DVC keeps the bytes: the pinned data, and the artifact folders of every run.

The state folder is ignored by git, so its artifacts cannot stand in the project's own DVC
repository: it holds a second one, without git, whose default remote is a folder beside it.
What a run stored is written down in ``runs/<run>.json``, which is enough to bring it back.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from dvc.config import ConfigError as DVCConfigError
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.add import add
from dvc.repo.pull import pull
from dvc.repo.push import push

from models.artifacts import MANIFEST, read_manifest, verify_artifact
from models.errors import CorruptArtifactError, VersioningError
from models.files import new_folder, own_prefix, write_text
from steps.adapters.dvc_records import RunRecord, StoredArtifact, record_path, run_record

DATA_PIN = "data.dvc"
REMOTE = "dvc-remote"
LOCK_PATIENCE_S = 60.0
T = TypeVar("T")


def pull_data(root: Path) -> str:
    """Bring ``data/`` to what ``data.dvc`` pins, from the default remote; return its hash.

    Raises:
        VersioningError: the remote lacks the data, or ``data/`` holds changes that would be lost.
    """
    pinned = data_hash(root)

    def fetch() -> None:
        with Repo(str(root)) as repo:
            changed = repo.status(targets=[str(root / DATA_PIN)])
            if _holds_changes(changed):
                raise VersioningError(
                    "The data folder was changed since it was pinned.",
                    where=str(root / "data"),
                    allowed=f"the data {DATA_PIN} pins ({pinned})",
                    do="Keep your changes with `dvc add data`, or drop them with "
                    f"`dvc checkout --force {DATA_PIN}`.",
                )
            pull(repo, targets=[str(root / DATA_PIN)])

    _run(fetch, what="The pinned data cannot be fetched", where=str(root / DATA_PIN))
    return pinned


def data_hash(root: Path) -> str:
    """Return the hash that ``data.dvc`` pins; raise `VersioningError` where there is none."""
    path = root / DATA_PIN
    try:
        return str(yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError) as error:
        raise VersioningError(
            f"There is no readable data pin: {error}.",
            where=str(path),
            allowed="a file written by `dvc add data`",
            do="Restore it with `git checkout data.dvc`, or pin your own with `dvc add data`.",
        ) from None


def store_artifacts(
    state_folder: Path, paths: Iterable[Path], run: str, *, remote: str | None = None
) -> dict[str, str]:
    """Add and push artifact folders under ``state_folder``; return path (relative) → md5.

    Args:
        state_folder: The folder that holds everything runs make.
        paths: Artifact folders inside it.
        run: The run's name, by which `restore_run` finds them.
        remote: URL of the DVC remote from now on; by default a folder in the state folder.

    Raises:
        VersioningError: a folder is missing or elsewhere, or the remote cannot be written.
    """
    path = record_path(state_folder, run)
    folders = [_inside(path, state_folder) for path in paths]
    _prepare(state_folder, remote)

    def store() -> tuple[StoredArtifact, ...]:
        with Repo(str(state_folder)) as repo:
            stages = list(add(repo, [str(folder) for folder in folders]))
            push(repo, targets=[stage.path for stage in stages])
            return tuple(_stored(stage.outs[0], state_folder) for stage in stages)

    what = "The artifacts cannot be stored"
    stored = _run(store, what=what, where=str(state_folder)) if folders else ()
    record = RunRecord(run=run, stored_at=datetime.now(UTC), artifacts=stored)
    write_text(path, record.model_dump_json(indent=2) + "\n")
    return {artifact.path: artifact.md5 for artifact in stored}


def restore_run(state_folder: Path, run: str, *, into: Path | None = None) -> list[Path]:
    """Bring the artifact folders of ``run`` back, bit-equal, and return them.

    A folder takes its place only after its bytes were compared with its manifest; where the local
    cache turns out to be damaged, the bytes are fetched from the remote again.

    Args:
        state_folder: The folder that holds everything runs make.
        run: The run's name.
        into: Where to put the folders instead of where they were, at the same relative paths.

    Raises:
        VersioningError: the run is unknown, or its bytes are gone or damaged everywhere.
    """
    record = run_record(state_folder, run)
    target = (into or state_folder).resolve()
    target.mkdir(parents=True, exist_ok=True)
    try:
        return _restore(state_folder, record, target, cache=state_folder / ".dvc" / "cache")
    except (CorruptArtifactError, VersioningError):
        try:
            return _restore(state_folder, record, target, cache=None)
        except CorruptArtifactError as error:
            raise VersioningError(
                f"Run {run!r} is damaged in the remote: {error.what}",
                where=error.where,
                do="Restore the remote from a backup, or run the pipeline again.",
            ) from None


def _restore(
    state_folder: Path, record: RunRecord, target: Path, *, cache: Path | None
) -> list[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=target))
    try:
        pins = [_write_pin(scratch, artifact) for artifact in record.artifacts]
        url = _run(lambda: _remote_url(state_folder), what="No remote", where=str(state_folder))
        _write_config(scratch, url, cache or scratch / "cache")

        def fetch() -> None:
            with Repo(str(scratch)) as repo:
                pull(repo, targets=pins)

        if pins:
            _run(fetch, what=f"Run {record.run!r} cannot be brought back", where=url)
        for artifact in record.artifacts:
            _verify(scratch / artifact.path, artifact)
        return [_move(scratch / a.path, target / a.path) for a in record.artifacts]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _verify(folder: Path, artifact: StoredArtifact) -> None:
    if artifact.content_hash is None:
        return
    if verify_artifact(folder).content_hash != artifact.content_hash:
        raise CorruptArtifactError(
            "The artifact is not the one the run stored.",
            where=artifact.path,
            allowed=artifact.content_hash,
        )


def _move(source: Path, place: Path) -> Path:
    with new_folder(place) as folder:
        for child in source.iterdir():
            child.rename(folder / child.name)
    return place


def _write_pin(root: Path, artifact: StoredArtifact) -> str:
    path = root / f"{artifact.path}.dvc"
    out = {
        "md5": artifact.md5,
        "size": artifact.size_bytes,
        "nfiles": artifact.files,
        "hash": "md5",
        "path": path.stem,
    }
    write_text(path, yaml.safe_dump({"outs": [out]}))
    return str(path)


def _stored(out: Any, state_folder: Path) -> StoredArtifact:
    folder = Path(out.fs_path)
    has_manifest = (folder / MANIFEST).is_file()
    return StoredArtifact(
        path=folder.relative_to(state_folder.resolve()).as_posix(),
        md5=str(out.hash_info.value),
        size_bytes=out.meta.size or 0,
        files=out.meta.nfiles or 1,
        content_hash=read_manifest(folder).content_hash if has_manifest else None,
    )


def _prepare(state_folder: Path, remote: str | None) -> None:
    config = state_folder / ".dvc" / "config"
    if remote is not None or not config.is_file() or "remote = " not in config.read_text():
        _write_config(state_folder, remote or f"../{REMOTE}", None)


def _write_config(root: Path, url: str, cache: Path | None) -> None:
    lines = ["[core]", "no_scm = True", "analytics = False", "remote = store"]
    lines += ["['remote \"store\"']", f"url = {url}"]
    lines += ["[cache]", f"dir = {cache.resolve()}"] if cache else []
    write_text(root / ".dvc" / "config", "\n".join(lines) + "\n")


def _remote_url(state_folder: Path) -> str:
    with Repo(str(state_folder)) as repo:
        name = repo.config["core"]["remote"]
        return str(repo.config["remote"][name]["url"])


def _inside(path: Path, state_folder: Path) -> Path:
    folder = path if path.is_absolute() else state_folder / path
    if not folder.resolve().is_relative_to(state_folder.resolve()) or not folder.is_dir():
        raise VersioningError(
            "Only artifact folders in the state folder can be stored.",
            where=str(folder),
            allowed=f"an existing folder below {state_folder}",
        )
    return folder.resolve()


def _holds_changes(status: Any) -> bool:
    """Tell whether ``status`` speaks of files that differ, rather than of files not there yet."""
    changed = [
        what
        for entries in dict(status).values()
        for entry in entries
        if isinstance(entry, dict)
        for what in dict(entry.get("changed outs", {})).values()
    ]
    return any(what not in {"deleted", "not in cache"} for what in changed)


def _run(action: Callable[[], T], *, what: str, where: str) -> T:
    """Return what ``action`` returns; wait for DVC's lock, name every other failure."""
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            return action()
        except LockError as error:
            if time.monotonic() > deadline:
                raise VersioningError(
                    f"{what}: another process has held DVC's lock for {LOCK_PATIENCE_S:.0f} s.",
                    where=where,
                    do="Wait for it to end, then try again.",
                ) from error
            time.sleep(0.2)
        except (DvcException, DVCConfigError, OSError) as error:
            raise VersioningError(
                f"{what}: {_first_line(error)}",
                where=where,
                do="Check that the remote is reachable and holds the files: `dvc remote list`, "
                "`dvc status --cloud`.",
            ) from error


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[:3])
