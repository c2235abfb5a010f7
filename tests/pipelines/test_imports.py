import subprocess
import sys

import pytest

from tests.conftest import Project

HEAVY = ("torch", "scipy", "pandas", "great_expectations", "evidently", "bentoml", "transformers")


@pytest.mark.parametrize("name", ["workflow", "retraining", "benchmark"])
def test_a_pipeline_loads_no_library_that_only_its_steps_need(project: Project, name: str) -> None:
    """A cached run starts in seconds: what a step runs with is loaded when it runs."""
    asked = f"import sys, pipelines.{name}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=project.root, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
