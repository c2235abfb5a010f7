"""Killed at any step, a run can be repeated: same result, nothing half-written, nothing lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.artifacts import read_manifest, verify_artifact
from models.files import TEMPORARY_PREFIX
from steps.adapters.dvc_records import run_record
from steps.adapters.release import production
from steps.adapters.releases import champion_folder, release_folder
from steps.adapters.runs import read_report
from steps.adapters.workspace import state_folder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SMOKE = "configs/pipelines/smoke.yaml"
LINE = "simulator_tiny"
# While files are written, while a model learns, while a Bento is built, while it is released.
KILLED_IN = ("embed_items", "train_ctr_model", "package_bento", "promote_bento")


def start(state: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "INTENTFLOW_HOME": str(state),
        "ZENML_CONFIG_PATH": str(state / "zenml"),
        "BENTOML_HOME": str(state / "bento"),
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
    zenml = Path(sys.executable).with_name("zenml")
    return subprocess.Popen(
        [str(zenml), "pipeline", "run", "pipelines.workflow.workflow", "-c", SMOKE],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_in(step: str, state: Path, delay_s: float) -> None:
    """Start a run and kill it, with all it started, ``delay_s`` into a step."""
    run = start(state)
    assert run.stdout is not None
    for line in run.stdout:
        if step in line and "has started" in line:
            time.sleep(delay_s)
            break
    else:
        pytest.fail(f"the run ended before {step} started")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()


def finish(state: Path) -> None:
    run = start(state)
    output, _ = run.communicate(timeout=500)
    assert run.returncode == 0, output[-3000:]


def test_a_run_killed_in_several_steps_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish(undisturbed)
    for step in KILLED_IN:
        kill_in(step, killed, delay_s=0.4)
    finish(killed)

    hashes = []
    for state in (undisturbed, killed):
        monkeypatch.setenv("INTENTFLOW_HOME", str(state))
        run = read_report()
        assert run.production == run.version
        for artifact in run_record(state_folder(), run.run).artifacts:
            verify_artifact(state / artifact.path)
        assert not list((state / "artifacts").rglob(f"{TEMPORARY_PREFIX}*"))
        champion = champion_folder(LINE)
        assert champion is not None
        hashes.append(read_manifest(champion).content_hash)
    assert hashes[0] == hashes[1]


def test_a_killed_retraining_leaves_the_production_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(tmp_path)
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path))
    before = production(release_folder(LINE))
    assert before is not None
    kill_in("promote_bento", tmp_path, delay_s=0.1)
    after = production(release_folder(LINE))
    assert after is not None
    assert after.version == before.version
    champion = champion_folder(LINE)
    assert champion is not None
    verify_artifact(champion, "ctr_model")
