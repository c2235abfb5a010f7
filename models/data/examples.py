"""Builds the example store from canonical tables."""

from pathlib import Path

from models.artifacts import Scalar
from models.data.example_settings import ExamplesConfig
from models.data.store import ExampleStore
from models.data.tables import Tables

__all__ = ["ExampleStore", "ExamplesConfig", "build_example_store"]


def build_example_store(
    tables: Tables, config: ExamplesConfig, folder: Path, *, seed: int
) -> dict[str, Scalar]:
    """Write the example store of ``tables`` into ``folder`` and return its counts."""
    raise NotImplementedError
