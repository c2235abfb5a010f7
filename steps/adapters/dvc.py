"""DVC keeps the bytes: the pinned data, and the artifact folders of every run."""

from collections.abc import Iterable
from pathlib import Path


def pull_data(root: Path) -> str:
    """Bring ``data/`` to what ``data.dvc`` pins, from the default remote; return its hash."""
    raise NotImplementedError


def data_hash(root: Path) -> str:
    """Return the hash that ``data.dvc`` pins."""
    raise NotImplementedError


def store_artifacts(
    state_folder: Path, paths: Iterable[Path], run: str, *, remote: str | None = None
) -> dict[str, str]:
    """Add and push artifact folders under ``state_folder``; return path (relative) → md5."""
    raise NotImplementedError


def restore_run(state_folder: Path, run: str, *, into: Path | None = None) -> list[Path]:
    """Bring the artifact folders of ``run`` back, bit-equal, and return them."""
    raise NotImplementedError
