"""Program: eight runs of a pipeline at once, on one SQLite store of ZenML and one line of releases.

Each run is a process of its own, forked from one that has imported ZenML but asked it nothing yet.
Prints JSON: what went wrong in each, and the stage that ZenML gives to what each of them made.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from zenml import Model, pipeline, step

from models.artifacts import ArtifactRef
from steps.adapters.bento_store import BentoRef
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.release import promote, register_candidate
from steps.adapters.release_zenml import mark_in_zenml
from steps.adapters.tracking import run_name
from steps.adapters.workspace import produce

LINE = "line_of_eight"
PATIENCE_S = 240


@step(enable_cache=False, output_materializers=ArtifactRefMaterializer)
def keep(version: str) -> ArtifactRef:
    """Write the one artifact that all eight runs want."""
    return produce(
        "note",
        lambda into: {"bytes": (into / "note.txt").write_bytes(b"n" * 100_000)},
        config={"of": "all"},
        parents={},
        library="a library",
    )


@step(enable_cache=False)
def release(kept: ArtifactRef, version: str, line: str, bento: str) -> str:
    """Register the run's version, promote it, and mark it in ZenML."""
    ref = BentoRef.model_validate_json(bento)
    register_candidate(Path(line), ref, approved=True, reasons=("won",), run=run_name())
    promote(Path(line), version, reason="won", who="gate")
    mark_in_zenml(Path(line), LINE)
    return version


@pipeline(model=Model(name=LINE), enable_cache=False)
def releasing(version: str, line: str, bento: str) -> None:
    """Keep an artifact, then release a version."""
    release(keep(version), version, line, bento)


def main() -> None:
    """Run, wait, and tell."""
    line, bentos = sys.argv[1], json.loads(sys.stdin.read())
    _in_fork(_touch_the_store)()
    waiting = [_in_fork(partial(_run, version, line, bento)) for version, bento in bentos.items()]
    wrong = [text for text, _ in (wait() for wait in waiting)]
    text, told = _in_fork(_stages)()
    sys.stdout.write(json.dumps({"wrong": [*wrong, text], "stages": told}))


def _run(version: str, line: str, bento: str) -> None:
    releasing(version, line, bento)


def _touch_the_store() -> None:
    from zenml.client import Client

    Client().list_pipelines()


def _stages() -> dict[str, str | None]:
    from zenml.client import Client

    client = Client()
    stages = {version.id: version.stage for version in client.list_model_versions(LINE)}
    runs = client.list_pipeline_runs(hydrate=True)
    return {run.name: stages[run.model_version.id] for run in runs if run.model_version}


def _in_fork(action: Callable[[], object]) -> Callable[[], tuple[str, Any]]:
    """Start an action in a fork; return what waits for its error and its result."""
    told = os.memfd_create("told")
    child = os.fork()
    if child == 0:
        try:
            os.dup2(2, 1)
            os.write(told, json.dumps(["", action()], default=str).encode())
        except BaseException:
            os.write(told, json.dumps([traceback.format_exc()[-2000:], None]).encode())
        finally:
            os._exit(0)

    def wait() -> tuple[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if os.waitpid(child, os.WNOHANG)[0]:
                text = os.pread(told, os.fstat(told).st_size, 0).decode()
                return tuple(json.loads(text or '["it died", null]'))
            time.sleep(0.05)
        os.kill(child, 9)
        return f"did not end in {PATIENCE_S} s", None

    return wait


if __name__ == "__main__":
    main()
