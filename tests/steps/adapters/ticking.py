"""A pipeline of one step, for tests of what starts pipelines: it leaves a line behind."""

import time
from pathlib import Path
from typing import Annotated

from zenml import pipeline, step
from zenml.enums import ExecutionMode


@step(enable_cache=False)
def leave_a_line(file: str, until: str, sleep_s: float, fail: bool) -> Annotated[str, "line"]:
    """Add a line to ``file``: when the step began, and the data window it was given."""
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(f"began {until}\n")
    time.sleep(sleep_s)
    if fail:
        raise ValueError("this step was asked to fail")
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(f"ended {until}\n")
    return until


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def ticking(file: str, until: str | None = None, sleep_s: float = 0.0, fail: bool = False) -> None:
    """Leave a line."""
    leave_a_line(file, until or "", sleep_s, fail)
