"""What a run stored in DVC: one JSON file a run, enough to bring its artifacts back."""

import re
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import VersioningError

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+=@ -]{0,199}")


class StoredArtifact(BaseModel):
    """An artifact folder as DVC knows it; ``path`` is relative to the state folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    md5: str
    size_bytes: int
    files: int
    content_hash: str | None


class RunRecord(BaseModel):
    """What one run stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    stored_at: datetime
    artifacts: tuple[StoredArtifact, ...]


def run_record(state_folder: Path, run: str) -> RunRecord:
    """Return what ``run`` stored; raise `VersioningError` that names the known runs."""
    path = record_path(state_folder, run)
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        newest = sorted(path.parent.glob("*.json"), key=lambda file: -file.stat().st_mtime)
        raise VersioningError(
            f"No run is named {run!r}.",
            where=str(path.parent),
            allowed=", ".join(file.stem for file in newest[:10]) or "no run has stored anything",
            do="Name one of these.",
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise VersioningError(
            f"The run's record is not readable: {str(error).splitlines()[0]}.", where=str(path)
        ) from None


def record_path(state_folder: Path, run: str) -> Path:
    """Return the file of a run's record; raise `VersioningError` where the name cannot be one."""
    if not RUN_NAME.fullmatch(run):
        raise VersioningError(
            f"{run!r} cannot name a run.",
            allowed="letters, digits, _ . : + = @ - and blanks, not starting with a dot",
        )
    return state_folder / "runs" / f"{run}.json"
