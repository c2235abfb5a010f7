"""Where things stand on disk: the project root, its configurations and the state folder.

The state folder, ``.intentflow`` in the project root unless ``INTENTFLOW_HOME`` names another,
holds everything a run makes: artifacts, reports, the Evidently workspace, Bentos, releases.
"""

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from models.artifacts import ArtifactRef, Scalar, read_manifest, reference, write_artifact
from models.data.schema import DatasetSpec
from models.errors import CorruptArtifactError, MissingDataError
from models.files import remove_leftovers
from models.settings import digest
from steps.adapters.plain_errors import show_errors_plainly

ROOT_MARK = "data.dvc"


def project_root() -> Path:
    """Return the folder of the project the working directory lies in."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ROOT_MARK).is_file() and (folder / "configs").is_dir():
            return folder
    raise MissingDataError(
        "This folder lies in no intentflow project.",
        where=str(here),
        allowed=f"a folder with {ROOT_MARK} and configs/, or one below it",
        do="Change into your clone first.",
    )


def configs_folder() -> Path:
    """Return the folder of the configurations."""
    return project_root() / "configs"


def state_folder() -> Path:
    """Return the folder that holds everything runs make."""
    given = os.environ.get("INTENTFLOW_HOME")
    return Path(given).resolve() if given else project_root() / ".intentflow"


def begin_run() -> None:
    """Make the place ready: errors told plainly, what killed runs left half-written removed."""
    show_errors_plainly()
    if state_folder().is_dir():
        remove_leftovers(state_folder())


def local(ref: ArtifactRef) -> Path:
    """Return the folder of an artifact a step was handed.

    Raises:
        CorruptArtifactError: it is not there, or holds something else than the run recorded.
    """
    folder = state_folder() / ref.path
    manifest = read_manifest(folder, ref.kind)
    if manifest.content_hash != ref.content_hash:
        raise CorruptArtifactError(
            f"The {ref.kind} differ from those the run recorded: {manifest.content_hash[:12]}.",
            where=str(folder),
            allowed=ref.content_hash[:12],
            do="Bring the run's files back: intentflow checkout RUN",
        )
    return folder


def produce(
    kind: str,
    write: Callable[[Path], Mapping[str, Scalar]],
    *,
    config: Mapping[str, Any],
    parents: Mapping[str, ArtifactRef],
    library: str,
) -> ArtifactRef:
    """Return the artifact ``write`` makes, or the same one a killed run already finished.

    Args:
        kind: The artifact's kind; also the name of its folder.
        write: Writes the files into the folder it is given and returns the summary figures, to
            which the seconds it took are added.
        config: The settings, seed included, that the content depends on.
        parents: Role to artifact it is made from.
        library: Hash of the code that makes it (`steps.adapters.caching`).
    """
    parent_hashes = {role: ref.content_hash for role, ref in parents.items()}
    key = digest([kind, parent_hashes, dict(config), library])[:16]
    folder = state_folder() / "artifacts" / kind / key
    if not (folder / "manifest.json").is_file():
        provenance = {"library": library, "commit": git_commit()}
        with write_artifact(
            folder, kind, parents=parent_hashes, config=config, provenance=provenance
        ) as draft:
            began = perf_counter()
            draft.summary.update(write(draft.folder))
            draft.summary["work_seconds"] = round(perf_counter() - began, 2)
    ref = reference(folder)
    return ref.model_copy(update={"path": str(folder.relative_to(state_folder()))})


@cache
def git_commit() -> str:
    """Return the commit of the project, with ``+`` where files were changed since."""
    try:
        told = [
            subprocess.run(
                ["git", *command], cwd=project_root(), capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told[0] + ("+" if told[1] else "")


def newest_artifact(kind: str) -> Path | None:
    """Return the artifact of ``kind`` that was written last, whole; ``None`` if there is none."""
    folders = (state_folder() / "artifacts" / kind).glob("*/manifest.json")
    newest = max(folders, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest.parent if newest else None


def resume_folder(
    kind: str, parents: Mapping[str, ArtifactRef], config: Mapping[str, Any], seed: int
) -> Path:
    """Return where a long step keeps what it needs to go on after it was killed."""
    hashes = {role: ref.content_hash for role, ref in parents.items()}
    return state_folder() / "resume" / kind / digest([hashes, dict(config), seed])[:16]


def images_folder(spec: DatasetSpec) -> Path | None:
    """Return the folder the data set's image paths start from; ``None`` without images."""
    if not spec.has_images or spec.images_root is None:
        return None
    return project_root() / spec.images_root
