"""The tests' end of forkserver.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

PROGRAM = Path(__file__).with_name("forkserver.py")
ROOT = PROGRAM.parents[2]


class Told(BaseModel):
    """How an action ended: its result, or what it raised, or neither because it was killed."""

    killed: bool
    result: Any = None
    error: str | None = None
    points: list[str] = []


class Driver:
    """Performs actions of actions.py in forks of one process, which ends with the block."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "BENTOML_DO_NOT_TRACK": "True"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()

    def perform(self, action: str, arguments: dict[str, Any], **fault: Any) -> Told:
        """Perform one action under one fault, and return how it ended."""
        (told,) = self.together([{"action": action, "arguments": arguments, **fault}])
        return told

    def together(self, jobs: list[dict[str, Any]]) -> list[Told]:
        """Perform actions at once."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(jobs) + "\n")
        self._server.stdin.flush()
        return [Told.model_validate(one) for one in json.loads(self._server.stdout.readline())]
