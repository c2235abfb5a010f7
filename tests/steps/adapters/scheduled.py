"""A schedule of the tests' own pipeline, in files of the test, and a stack to try it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

PIPELINE = "tests.steps.adapters.ticking.ticking"


def write_schedule(folder: Path, name: str, parameters: dict[str, Any], **values: Any) -> Path:
    """Return a schedule's file; ``values`` are what it holds besides pipeline, file and window."""
    settings = folder / f"{name}_settings.yaml"
    settings.write_text(yaml.safe_dump({"parameters": parameters}), encoding="utf-8")
    schedule = {"pipeline": PIPELINE, "config": str(settings), "window": {}}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(schedule | values), encoding="utf-8")
    return path


@contextmanager
def active_stack(name: str) -> Iterator[None]:
    """Let the stack ``name`` be the session's active one inside the block."""
    from zenml.client import Client

    before = Client().active_stack_model.id
    Client().activate_stack(name)
    try:
        yield
    finally:
        Client().activate_stack(before)
