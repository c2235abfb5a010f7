"""Eight runs at once on one SQLite store: all succeed, and all of them are in the history."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.adapters.release import history, production, stages
from tests.faults.bentos import small_bento
from tests.faults.conftest import Shelf
from tests.faults.invariants import check_artifacts, check_line, check_settled
from tests.models.serving.shop import revise

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("eight_runs.py")
VERSIONS = [f"v{number}" for number in range(8)]
pytestmark = pytest.mark.slow


def test_eight_runs_at_once(shelf: Shelf, tmp_path: Path) -> None:
    state, line = tmp_path / "state", tmp_path / "state" / "line"
    bentos = {
        version: small_bento(
            tmp_path / "home",
            revise(shelf.shop.folders["din"], tmp_path / version, factor=1 + number / 10),
            version,
        )
        for number, version in enumerate(VERSIONS)
    }
    environment = os.environ | {
        "INTENTFLOW_HOME": str(state),
        "ZENML_CONFIG_PATH": str(tmp_path / "zenml"),
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(line)],
        input=json.dumps({version: ref.model_dump_json() for version, ref in bentos.items()}),
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == [""] * (len(VERSIONS) + 1)
    check_line(line, [], set(VERSIONS))
    check_settled(line)
    check_artifacts(state)
    events = [(event.action, event.to_version) for event in history(line)]
    assert sorted(events) == sorted((a, v) for v in VERSIONS for a in ("register", "promote"))
    assert sorted(stages(line).values()) == ["archived"] * 7 + ["production"]
    release = production(line)
    assert release is not None
    marked = told["stages"]
    assert len(marked) == len(VERSIONS)
    assert [run for run, stage in marked.items() if stage == "production"] == [release.run]
