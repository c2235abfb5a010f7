"""Which bytes a data set's raw files hold, told before they are read, for the cache key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from models.settings import digest
from steps.adapters.workspace import ROOT_MARK, project_root


def raw_fingerprint(settings: Any) -> str:
    """Return a hash that changes when a raw file named in ``settings`` changes.

    What lies in ``data/`` is told by the hash that ``data.dvc`` pins; any other file or folder by
    its names, sizes and times of change. A data set without files has a constant hash.
    """
    root = project_root()
    told = [_fingerprint(root / text, root) for text in sorted(set(_texts(settings)))]
    return digest([entry for entry in told if entry])


def data_pin() -> str:
    """Return the hash of ``data/`` that ``data.dvc`` pins, without loading DVC."""
    pin = yaml.safe_load((project_root() / ROOT_MARK).read_text(encoding="utf-8"))
    return str(pin["outs"][0]["md5"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _texts(child)


def _fingerprint(path: Path, root: Path) -> list[Any]:
    if len(str(path)) > 1024 or path == root or not path.exists():
        return []
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if path.is_relative_to(root / "data"):
        return [name, data_pin()]
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return [name, *((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)]
