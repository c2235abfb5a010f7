"""Real processes killed with SIGKILL, at random points and while they write a checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_process_killed_ten_times_ends_with_the_bytes_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.training.kill_run", str(tmp_path), str(KILLS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 3  # kills that left a half-written checkpoint: three are aimed so
    assert not (tmp_path / "killed" / "resume").exists()
    expected = contents(tmp_path / "undisturbed" / "model")
    assert {"weights.safetensors", "model.json", "history.jsonl"} <= set(expected)
    assert contents(tmp_path / "killed" / "model") == expected
