"""`intentflow models …` on a line of small Bentos, as a person and as a program reads it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.__main__ import main
from steps.adapters.release import promote, register_candidate
from tests.steps.adapters.small_bentos import make_bento

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path))
    folder = tmp_path / "releases" / "shop"
    for number, version in enumerate(("one", "two")):
        register_candidate(
            folder, make_bento(tmp_path / "bento", version), approved=not number,
            reasons=("Not met: gain.",) * number, metrics={"test/auc": (0.7, 0.8)[number]},
            run=f"run {version}",
        )  # fmt: skip
    promote(folder, "one", reason="first", who="gate")
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["models", *arguments]) == code
    told = capsys.readouterr()
    assert "warning" not in told.err
    return told.out


def test_versions_are_listed_with_stage_and_figures(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [text.split() for text in said(capsys, "list").splitlines()]
    assert rows[1][:4] == ["one", "production", "approved", "0.7000"]
    assert rows[2][:4] == ["two", "candidate", "refused", "0.8000"]
    told = json.loads(said(capsys, "list", "--line", "shop", "--json"))
    assert [(v["version"], v["stage"], v["metrics"]["test/auc"]) for v in told] == [
        ("one", "production", 0.7), ("two", "candidate", 0.8),
    ]  # fmt: skip


def test_a_version_is_shown_whole(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", "two")
    assert "not approved by the gate" in text
    assert "Not met: gain." in text
    told = json.loads(said(capsys, "show", "one", "--json"))
    assert told["stage"] == "production"
    assert told["training"]["config"] == {"seed": 3}
    assert [event["action"] for event in told["history"]] == ["register", "promote"]


def test_two_versions_differ_in_what_they_differ_in(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(said(capsys, "diff", "one", "two", "--json"))["differences"]
    rows = {row["key"]: (row["first"], row["second"]) for row in told}
    assert rows["metrics.test/auc"] == (0.7, 0.8)
    assert rows["approved"] == (True, False)
    assert "training.config.seed" not in rows
    assert "model_hash" in said(capsys, "diff", "one", "two")
    assert "do not differ" in said(capsys, "diff", "one", "one")


def test_history_tells_who_when_why_from_and_to(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(line, "two", reason="launch", who="ann", override=True)
    text = said(capsys, "history").splitlines()
    assert text[-2].endswith("promote   one -> two  ann: launch")
    assert text[-1].endswith("set aside: Not met: gain.")
    told = json.loads(said(capsys, "history", "two", "--json"))
    assert [event["action"] for event in told] == ["register", "promote"]
    assert set(told[-1]) >= {"at", "who", "reason", "from_version", "to_version"}
    assert main(["models", "history", "three"]) == 2


def test_the_doctor_tells_then_repairs(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "everything agrees" in said(capsys, "doctor", "--skip-zenml")
    (line / "production" / "bentos" / "intentflow" / "latest").write_text("two")
    text = said(capsys, "doctor", "--skip-zenml", code=1)
    assert "BentoML's latest is two; in production is one." in text
    assert "Nothing was changed" in text
    told = json.loads(said(capsys, "doctor", "--skip-zenml", "--repair", "--json"))
    assert [(trouble["kind"], trouble["repaired"]) for trouble in told] == [("latest", True)]
    assert json.loads(said(capsys, "doctor", "--skip-zenml", "--json")) == []


def test_rolling_back_imports_neither_torch_nor_zenml_nor_bentoml(line: Path) -> None:
    promote(line, "two", reason="launch", who="ann", override=True)
    program = f"""
import sys
from pathlib import Path
from pipelines.commands import models, rollback
from steps.adapters.release import rollback
rollback(Path({str(line)!r}), reason="x", who="me")
heavy = {{"torch", "zenml", "bentoml", "polars", "numpy", "pandas"}} & set(sys.modules)
print(*sorted(heavy))
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
    assert time.monotonic() - began < 5


@pytest.mark.slow
# ZenML 0.98 itself uses what SQLAlchemy and pydantic deprecate: github.com/zenml-io/zenml.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_staging_promoting_and_going_back_from_a_shell(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "stage", "two", "--reason", "try") == "shop: nothing -> two (staging)\n"
    assert said(capsys, "withdraw", "--reason", "no") == "shop: two -> nothing (staging)\n"
    assert main(["models", "promote", "two", "--reason", "x"]) == 2
    told = said(capsys, "promote", "two", "--reason", "x", "--override", "--json")
    assert json.loads(told) == {"line": "shop", "action": "promote", "from": "one", "to": "two"}
    began = time.monotonic()
    assert said(capsys, "rollback", "--reason", "x") == "shop: two -> one\n"
    assert time.monotonic() - began < 5
    log = line / "zenml.log"  # ZenML follows in a process of its own
    follows = "ZenML's stages are those of the line.\n"
    while not log.read_text().endswith(follows) and time.monotonic() - began < 120:
        time.sleep(0.2)
    assert log.read_text().endswith(follows)
    assert "everything agrees" in said(capsys, "doctor")
