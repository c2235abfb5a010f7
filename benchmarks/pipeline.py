"""What the workflow costs around the work of its steps: ZenML, references, hashes, DVC, start-up.

Runs `zenml pipeline run` twice on a state folder of its own: once from nothing, once with every
step cached. The work is what the steps' own functions took, as each artifact's summary tells it;
whatever else the command took, ZenML's first start and the Bento included, is counted as overhead.

    python -m benchmarks.pipeline
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import commit, finish, options
from steps.adapters.environment import read_environment
from steps.adapters.workspace import project_root

BAR_RUN_S, BAR_SHARE, BAR_CACHED_S = 300.0, 0.15, 12.0


def main() -> None:
    """Run the workflow twice and print what it cost."""
    parser = options("What the workflow costs around the work of its steps")
    parser.add_argument("--config", help="a file of configs/pipelines; default quickstart")
    arguments = parser.parse_args()
    name = arguments.config or ("smoke" if arguments.quick else "quickstart")
    with tempfile.TemporaryDirectory() as state:
        first = _run(name, Path(state))
        work = _work_seconds(Path(state))
        cached = min(_run(name, Path(state)) for _ in range(2))
    around = first - work
    rows = [
        {"measure": "run from nothing, s", "value": first, "bar": "-"},
        {"measure": "work of its steps, s", "value": work, "bar": "-"},
        {"measure": "around it, s", "value": around, "bar": f"<= {BAR_SHARE * BAR_RUN_S:.0f}"},
        {
            "measure": "share of a 5-minute run",
            "value": around / BAR_RUN_S,
            "bar": f"<= {BAR_SHARE}",
        },
        {"measure": "everything cached, s", "value": cached, "bar": f"<= {BAR_CACHED_S:.0f}"},
    ]
    finish(rows, arguments, {"commit": commit(), "config": name, "cores": os.cpu_count()})


def _run(name: str, state: Path) -> float:
    command = ["pipeline", "run", "pipelines.workflow.workflow"]
    began = time.perf_counter()
    done = subprocess.run(
        [Path(sys.executable).with_name("zenml"), *command, "-c", f"configs/pipelines/{name}.yaml"],
        env=os.environ | _environment(state),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"The workflow failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def _environment(state: Path) -> dict[str, str]:
    places = {"INTENTFLOW_HOME": state, "ZENML_CONFIG_PATH": state / "zenml"}
    return read_environment(project_root()) | {key: str(path) for key, path in places.items()}


def _work_seconds(state: Path) -> float:
    manifests = (state / "artifacts").glob("*/*/manifest.json")
    summaries = (json.loads(path.read_text(encoding="utf-8"))["summary"] for path in manifests)
    return sum(summary["work_seconds"] for summary in summaries)


if __name__ == "__main__":
    main()
