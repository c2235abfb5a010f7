"""The hash of exactly the code that something runs: its module and all that those import.

What a benchmark measured of one model then stays good when another model's file changes.
"""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from steps.adapters.caching import SOURCES

# Names of classes by which they are found: a new line in it changes nothing that was there before.
LISTS = frozenset({"models.ctr.registry"})
KERNELS = ("models/native", "models/native/source/*")


def imported_code(modules: Sequence[str]) -> str:
    """Return the hash of the sources of ``modules`` and of all that they import of ``models``."""
    summary = hashlib.sha256()
    for path in imported_files(modules):
        summary.update(path.relative_to(SOURCES).as_posix().encode())
        summary.update(path.read_bytes())
    return summary.hexdigest()


def imported_files(modules: Sequence[str]) -> list[Path]:
    """Return those sources; with the native kernels' wherever those are called."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _source(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting.extend(_imports(path, path.stat().st_mtime_ns))
    if any(path.is_relative_to(SOURCES / KERNELS[0]) for path in found):
        found |= {path for path in SOURCES.glob(KERNELS[1]) if path.is_file()}
    return sorted(found)


def _source(module: str) -> Path | None:
    """Return the file of a module; None for what is no file of the library."""
    if module in LISTS or not module.startswith("models."):
        return None
    path = SOURCES.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _imports(path: Path, changed_ns: int) -> tuple[str, ...]:
    """Return the names that a file imports, as of its last change; any may be a module's."""
    return tuple(_named(ast.parse(path.read_bytes())))


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
