"""The console script, as a shell meets it."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.ctr.registry import MODELS
from models.data.datasets.registry import DATASETS
from models.encoders.registry import ENCODERS
from models.files import write_text
from models.tokenizers.registry import TOKENIZERS
from pipelines.__main__ import VERBS, main
from steps.adapters.environment import read_environment
from steps.adapters.runs import RunReport

ROOT = Path(__file__).resolve().parents[2]
INTENTFLOW = [sys.executable, "-m", "pipelines"]
SMOKE = ROOT / "configs" / "pipelines" / "smoke.yaml"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder of this test alone."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def write_run(state: Path, run: str, **changed: Any) -> RunReport:
    """Write what a run's last step writes."""
    report = RunReport.model_validate(
        {
            "run": run,
            "line": "films",
            "finished_at": datetime(2025, 1, 2, 3, 4, tzinfo=UTC),
            "cached": False,
            "model": "daian",
            "seed": 1,
            "commit": "0a1b2c",
            "data_hash": "d41d8c.dir",
            "metrics": {
                "challenger": {"auc": 0.81234, "gauc": 0.75, "log_loss": 0.4},
                "baseline": {"auc": 0.80, "gauc": None, "log_loss": 0.41},
            },
            "verdicts": {
                "validation": {"passed": True, "checks": 58, "warnings": ["prices are known"]},
                "drift": {"drifted": True, "columns": ["score", "label"]},
                "gate": {"promote": True, "reasons": ["There is no champion yet."]},
            },
            "reports": {"All reports": str(state / "runs" / run / "index.html")},
            "bento": "intentflow:abc123",
            "version": "abc123",
            "production": "abc123",
        }
        | changed
    )
    write_text(state / "runs" / run / "run.json", report.model_dump_json())
    write_text(state / "latest.json", json.dumps({"run": run}))
    return report


def test_help_names_every_verb_within_a_second_of_work() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*INTENTFLOW, "--help"], cwd=ROOT, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    told = done.stdout.decode()
    assert all(re.search(rf"^ +{verb}\b", told, re.MULTILINE) for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_no_heavy_package(verb: str) -> None:
    program = (
        "import sys; from pipelines.__main__ import main\n"
        f"try: main([{verb!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'zenml', 'polars', 'dvc', 'bentoml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"usage: intentflow {verb}")
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_has_its_file_and_every_file_its_verb() -> None:
    files = {path.stem for path in (ROOT / "pipelines" / "commands").glob("*.py")} - {"__init__"}
    assert files == {verb.replace("-", "_") for verb in VERBS}


def test_every_verb_stands_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert all(f"`intentflow {verb}" in page for verb in VERBS)


@pytest.mark.parametrize(
    ("kind", "registered"),
    [
        ("models", MODELS),
        ("encoders", ENCODERS),
        ("tokenizers", TOKENIZERS),
        ("datasets", DATASETS),
        ("pipelines", ["benchmark", "retraining", "workflow"]),
    ],
)
def test_list_prints_one_registered_name_a_line(
    kind: str, registered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind]) == 0
    assert capsys.readouterr().out.splitlines() == list(registered)


def test_show_tells_of_the_latest_run_what_a_person_wants_to_know(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(state, "run-1", cached=True)
    report = write_run(state, "run-2")
    assert main(["show"]) == 0
    told = capsys.readouterr().out
    assert "run-2" in told
    assert re.search(r"daian \(challenger\) +0\.8123 +0\.7500 +0\.4000", told)
    assert re.search(r"baseline +0\.8000 +– +0\.4100", told)
    assert re.search(r"champion +none yet", told)
    assert re.search(r"validation: +passed 58 checks, 1 warnings: prices are known", told)
    assert re.search(r"drift: +drifted: score, label", told)
    assert re.search(r"gate: +promote: There is no champion yet\.", told)
    assert report.reports["All reports"] in told
    assert "Bento intentflow:abc123 (in production" in told
    assert "cache" not in told
    for command in ("dashboard", "serve", "promote abc123 --reason"):
        assert f"intentflow {command}" in told


def test_show_says_when_a_run_came_from_the_cache(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(state, "run-1", cached=True)
    assert main(["show", "run-1"]) == 0
    assert "every step came from the cache" in capsys.readouterr().out


def test_show_of_a_kept_champion_tells_how_to_override_the_gate(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = {
        "validation": {"passed": True, "checks": 58, "warnings": []},
        "drift": {"drifted": False, "columns": []},
        "gate": {"promote": False, "reasons": ["AUC is not better."]},
    }
    write_run(state, "run-1", production="old", verdicts=verdicts)
    assert main(["show"]) == 0
    told = capsys.readouterr().out
    assert "Bento intentflow:abc123 (candidate; in production: old)" in told
    assert "--override" in told


def test_show_as_json_holds_everything_recorded(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = write_run(state, "run-1")
    assert main(["show", "--json"]) == 0
    assert RunReport.model_validate_json(capsys.readouterr().out) == report


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["show"], "No run has finished yet", "make run"),
        (["show", "no-such"], "no report of run 'no-such'", "make run"),
        (["serve"], "Nothing was released yet", "make run"),
        (["serve", "--line", "films"], "no line of releases 'films'", "make run"),
        (["score", "-"], "Nothing was released yet", "make run"),
        (["promote", "v1", "--reason", "why"], "Nothing was released yet", "make run"),
        (["rollback", "--reason", "why"], "Nothing was released yet", "make run"),
        (["checkout", "no-such"], "No run is named 'no-such'", "Name one of these"),
        (["checkout", "../x"], "'../x' cannot name a run", "letters"),
        (["drift-ui"], "No drift report was made yet", "make run"),
        (["config", "check", "no-such.yaml"], "Cannot read the configuration", "no-such.yaml"),
        (["data", "check", "movielens_latest_smal"], "'movielens_latest_smal'", "Did you mean"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_mend_is_said_without_a_traceback(
    words: list[str],
    what: str,
    remedy: str,
    state: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert what in told.err
    assert remedy in told.err
    assert not state.exists()


def test_a_good_pipeline_file_is_called_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(SMOKE)]) == 0
    assert "good" in capsys.readouterr().out


def test_a_misspelt_key_in_a_pipeline_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text("parameters:\n  encodr: minilm\n", encoding="utf-8")
    assert main(["config", "check", str(file)]) == 2
    assert "'parameters.encodr' is no setting" in capsys.readouterr().err


@pytest.mark.slow
def test_data_check_counts_and_keeps_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "simulator_tiny"]) == 0
    told = capsys.readouterr().out
    assert [stage for stage in ("tables", "validation", "examples") if stage in told.splitlines()]
    assert told.splitlines()[-1] == "simulator_tiny: good."
    assert not state.exists()


def test_outside_a_project_a_verb_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [*INTENTFLOW, "show"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "lies in no intentflow project" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            [*INTENTFLOW, "list", "datasets"],
            cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupted_command_ends_quietly(state: Path) -> None:
    latest = state / "latest.json"
    latest.parent.mkdir(parents=True)
    os.mkfifo(latest)
    command = subprocess.Popen([*INTENTFLOW, "show"], cwd=ROOT, stderr=subprocess.PIPE)
    with command, latest.open("w"):  # opens once the command reads, and nothing ever comes
        _, told = interrupted(command)
    assert (command.returncode, told) == (130, b"")


def interrupted(command: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Interrupt a command that waits; again if the signal came just before the wait began."""
    for _ in range(6):
        command.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return command.communicate(timeout=10)
    command.kill()
    raise AssertionError("the command went on")


def test_make_a_shell_and_python_read_the_environment_alike() -> None:
    expected = read_environment(ROOT)
    clean = {key: value for key, value in os.environ.items() if key not in expected}
    names = " ".join(expected)
    show = f"for name in {names}; do printf '%s=%s\\n' $name \"${{!name}}\"; done"
    shell = f"set -a; ROOT={shlex.quote(str(ROOT))}; . configs/environment.env; {show}"
    make = f"x: ; @{show.replace('$', '$$')}"
    for command in (
        ["bash", "-c", shell],
        ["make", "--no-print-directory", f"--eval={make}", "x"],
        ["bash", "-c", f'eval "$({shlex.join(INTENTFLOW)} env)"; {show}'],
    ):
        done = subprocess.run(
            command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True
        )
        told = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert told == expected, command


def test_a_variable_that_is_set_keeps_its_value() -> None:
    mine = os.environ | {"ZENML_CONFIG_PATH": "mine"}
    for command in (
        ["make", "--no-print-directory", "--eval=x: ; @echo $$ZENML_CONFIG_PATH", "x"],
        [
            sys.executable,
            "-c",
            "import os, pathlib, steps.adapters.environment as e\n"
            "e.load_environment(pathlib.Path()); print(os.environ['ZENML_CONFIG_PATH'])",
        ],
    ):
        done = subprocess.run(
            command, cwd=ROOT, env=mine, capture_output=True, text=True, check=True
        )
        assert done.stdout == "mine\n"
