"""Explicit registries: a name, and the class it stands for, imported only when asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from models.errors import UnknownNameError


class Registry(Mapping[str, Any]):
    """Maps registered names to objects given as ``"package.module:Name"``, imported on first use.

    Listing names imports nothing, which keeps the command line quick.

    Args:
        kind: What the entries are, as error messages call them ("CTR model").
        entries: Name to import path.
        guide: The docs page that says how to add an entry.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], guide: str) -> None:
        self.kind, self._entries, self._guide = kind, dict(entries), guide

    def __getitem__(self, name: str) -> Any:
        """Return the object registered as ``name``, or raise `UnknownNameError`."""
        if name not in self._entries:
            raise UnknownNameError(
                f"No {self.kind} is named {name!r}.",
                allowed=", ".join(self),
                do=f"Use a listed name, or add your own: {self._guide}",
            )
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        """Tell whether ``name`` is registered, without importing it."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order of registration."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)
