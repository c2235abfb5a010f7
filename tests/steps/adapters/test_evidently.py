import json
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from models.assessment.drift_noise import Thresholds
from models.assessment.drift_verdict import DriftVerdict, read_drift_verdict
from models.settings import Settings, load_settings, parse_settings
from steps.adapters.evidently import DriftConfig, drift_ui, report_drift
from steps.adapters.evidently_settings import DEFAULT_EFFECTS
from steps.adapters.expectation_settings import ValidationConfig
from steps.adapters.notify import NotifyConfig
from tests.models.assessment.drift_shop import embeddings, window

ROOT = Path(__file__).resolve().parents[3]
CONFIG = DriftConfig()


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    hook = NotifyConfig(path=str(folder / "told.jsonl"), on=("drifted",))
    report_drift(
        window(6000, 1, items=embeddings(0)),
        window(3000, 2, price=1.4, click_rate=0.28, items=embeddings(1)),
        CONFIG.model_copy(update={"notify": (hook,)}),
        folder / "report",
        folder / "workspace",
        "week 2",
    )
    return folder


@pytest.fixture(scope="module")
def verdict(drifted: Path) -> DriftVerdict:
    return read_drift_verdict(drifted / "report")


def test_the_verdict_tells_what_was_planted(verdict: DriftVerdict) -> None:
    groups = {group for group, found in verdict.groups.items() if found.drifted}
    assert groups == {"features", "label", "embeddings", "scores"}
    assert verdict.groups["features"].columns == ("price",)
    assert (verdict.reference_rows, verdict.current_rows) == (6000, 3000)
    assert any(re.search(r"label went from \d+\.\d\d % clicked to", r) for r in verdict.reasons)


def test_evidently_shows_the_distances_and_outcomes_of_the_verdict(
    drifted: Path, verdict: DriftVerdict
) -> None:
    (run,) = (drifted / "workspace").rglob("snapshots/*.json")
    text = run.read_text()
    assert text.count('"FAIL"') + text.count('"status": "FAIL"') >= 4
    for column in verdict.columns:
        assert column.statistic is not None
        assert column.drifted == (column.statistic > column.threshold)
        assert f"{column.statistic:.6f}"[:7] in text, column.name


def test_both_pages_stand_alone(drifted: Path) -> None:
    summary = (drifted / "report" / "summary.html").read_text()
    assert "The newest window has drifted: 5 of" in summary
    assert "<script" not in summary
    for anchor in re.findall(r'href="#([^"]+)"', summary):
        assert f'id="{anchor}"' in summary, anchor
    report = drifted / "report" / "drift.html"
    assert report.stat().st_size + len(summary) < 6_000_000
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', report.read_text())


def test_the_page_shows_what_changed_most_first_with_examples(drifted: Path) -> None:
    summary = (drifted / "report" / "summary.html").read_text()
    titles = re.findall(r"<h2>([^<]+)</h2>", summary)
    assert titles[0] == "At a glance"
    assert titles[1] == "Embeddings"
    assert titles[-3:-1] == ["Examples", "All columns"]
    assert "Items whose embedding changed most" in summary
    assert re.search(r"\d+: Thing \d+", summary)
    assert "Newest rows where price is over" in summary


def test_people_are_told_of_drift_and_of_nothing_else(drifted: Path, tmp_path: Path) -> None:
    (line,) = (drifted / "told.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert told["event"] == "drifted"
    assert "come from another encoder" in told["text"]
    assert told["details"]["groups"] == "features, label, embeddings, scores"


def test_runs_gather_in_one_project_without_the_data(drifted: Path) -> None:
    from evidently.ui.workspace import Workspace

    same = report_drift(
        window(300, 3), window(300, 4), CONFIG, drifted / "more", drifted / "workspace", "week 3"
    )
    assert same["drifted"] is False
    workspace = Workspace.create(str(drifted / "workspace"))
    (project,) = workspace.list_projects()
    assert project.name == "intentflow"
    assert len(workspace.list_runs(project.id)) == 2
    names = {path.suffix for path in (drifted / "workspace").rglob("*") if path.is_file()}
    assert not names & {".parquet", ".csv"}


def test_thresholds_are_an_artifact_and_kept_for_the_next_run(drifted: Path) -> None:
    kept = Thresholds.model_validate_json((drifted / "report" / "thresholds.json").read_bytes())
    assert kept.reference_rows == 6000
    assert 2700 <= kept.current_rows <= 3000
    assert len(kept.reference_hash) == 64
    stored = drifted / "drift_thresholds" / f"{kept.key}.json"
    assert Thresholds.model_validate_json(stored.read_bytes()) == kept


def test_too_few_rows_are_told_and_are_no_drift(tmp_path: Path) -> None:
    summary = report_drift(
        window(300, 1), window(10, 2, price=9.0), CONFIG, tmp_path / "r", tmp_path / "w", "run"
    )
    assert summary == {
        "drifted": False,
        "columns": 0,
        "drifted_columns": 0,
        "names": "",
        "reference_rows": 300,
        "current_rows": 10,
    }
    assert "Not enough rows" in (tmp_path / "r" / "summary.html").read_text()
    assert (tmp_path / "r" / "drift.html").is_file()


def test_the_configuration_file_says_the_defaults() -> None:
    config = load_settings(DriftConfig, ROOT / "configs" / "drift" / "default.yaml")
    assert config.minimum_effect == DEFAULT_EFFECTS
    assert config.model_copy(update={"minimum_effect": {}}) == CONFIG


@pytest.mark.parametrize("kind", [("drift", DriftConfig), ("validation", ValidationConfig)])
def test_the_documented_configurations_are_valid(kind: tuple[str, type[Settings]]) -> None:
    name, settings = kind
    page = (ROOT / "docs" / "how-to" / f"review-{name}.md").read_text(encoding="utf-8")
    (block,) = re.findall(
        rf'```yaml title="configs/{name}/my_shop.yaml"\n(.*?)```', page, re.DOTALL
    )
    parse_settings(settings, yaml.safe_load(block), name)


@pytest.mark.slow
def test_the_workspace_opens_in_a_browser_on_this_machine(drifted: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = drift_ui(drifted / "workspace", port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            projects = json.loads(_answer(f"http://127.0.0.1:{port}/api/projects", server))
        finally:
            server.terminate()
    assert [project["name"] for project in projects] == ["intentflow"]


def _answer(address: str, server: subprocess.Popen[bytes]) -> bytes:
    """What the server says, once it is up."""
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=2) as response:
                return response.read()
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server did not answer within a minute")
