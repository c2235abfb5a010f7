"""The retraining pipeline on a log that grows: full, then warm, then nothing left to do."""

import json
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.enums import ExecutionStatus, ModelStages
from zenml.models import PipelineRunResponse

from models.artifacts import read_manifest
from models.data.watermark import DAY_S
from models.settings import read_yaml
from steps.adapters.release import production
from steps.adapters.releases import champion_folder, release_folder
from steps.adapters.retraining_windows import closed_windows, windows_folder
from steps.adapters.runs import read_report

# ZenML, DVC, Evidently and BentoML all warn of their own dependencies in one process.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SMOKE = "configs/pipelines/retraining_smoke.yaml"
FIRST, SECOND = "2024-01-11T02:00:00+00:00", "2024-01-12T02:00:00+00:00"
SKIPPED = {"ingest", "select_window", "decide_whether", "close_window"}


class Line:
    """A line of its own, named by a copy of the tiny shop's configuration."""

    def __init__(self, folder: Path) -> None:
        self.name = "retrained_shop"
        self.dataset = folder / f"{self.name}.yaml"
        shipped = Path("configs/datasets/simulator_tiny.yaml").read_text(encoding="utf-8")
        self.dataset.write_text(shipped, encoding="utf-8")

    def retrain(self, until: str, **changes: object) -> PipelineRunResponse:
        from pipelines.retraining import retraining

        parameters = read_yaml(Path(SMOKE))["parameters"]
        given = {**parameters, "dataset": str(self.dataset), "until": until, **changes}
        return retraining(**given)

    def state(self) -> dict[str, bytes]:
        folders = (windows_folder(self.name), release_folder(self.name))
        return {
            str(path): path.read_bytes()
            for folder in folders
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(name="line", scope="module")
def _line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"))


@pytest.fixture(name="first", scope="module")
def _first(line: Line) -> PipelineRunResponse:
    return line.retrain(FIRST)


@pytest.fixture(name="second", scope="module")
def _second(line: Line, first: PipelineRunResponse) -> PipelineRunResponse:
    assert first
    return line.retrain(SECOND)


def steps_of(run: PipelineRunResponse) -> set[str]:
    found = Client().get_pipeline_run(run.id).steps
    done = {ExecutionStatus.COMPLETED, ExecutionStatus.CACHED}
    assert {step.status for step in found.values()} <= done
    return set(found)


def outcome(run: PipelineRunResponse) -> str:
    return Client().get_pipeline_run(run.id).steps["close_window"].outputs["outcome"][0].load()


def test_the_first_window_is_trained_on_in_full_and_released(
    line: Line, first: PipelineRunResponse
) -> None:
    assert {"build_examples", "train_tokenizer", "train_baseline"} <= steps_of(first)
    (closed,) = closed_windows(line.name)
    assert closed.decision.kind == "full"
    assert "No version is in production yet" in closed.decision.sentence
    assert closed.window.end_s % DAY_S == 0
    assert closed.window.newer > 0  # what comes after the window was left alone
    assert closed.version == closed.production
    version = Client().get_model_version(line.name, ModelStages.PRODUCTION)
    assert version.run_metadata["version"] == closed.version


def test_the_next_window_goes_on_from_the_champion_on_the_grown_store(
    line: Line, first: PipelineRunResponse, second: PipelineRunResponse
) -> None:
    names = steps_of(second)
    assert {"append_examples", "extend_semantic_ids", "review_tokenizer", "decide_how"} <= names
    assert not {"build_examples", "train_tokenizer", "train_baseline"} & names
    before, closed = closed_windows(line.name)
    assert closed.decision.kind == "warm"
    assert closed.decision.champion == read_manifest_hash(line, before.version)
    assert closed.window.end_s == before.window.end_s + DAY_S
    assert 50 <= closed.window.fresh < closed.window.impressions
    report = read_report(second.name)
    assert report.metrics["champion"]["auc"] is not None
    assert report.verdicts["gate"]["reasons"]


def read_manifest_hash(line: Line, version: str) -> str:
    text = (release_folder(line.name) / "versions" / f"{version}.json").read_text("utf-8")
    return json.loads(text)["model_hash"]


def test_the_tokenizer_and_the_ids_of_old_items_are_kept(
    first: PipelineRunResponse, second: PipelineRunResponse
) -> None:
    tables = []
    for run, step in ((first, "assign_semantic_ids"), (second, "extend_semantic_ids")):
        outputs = Client().get_pipeline_run(run.id).steps[step].outputs
        tables.append(outputs["semantic_ids"][0].load())
    assert tables[0].summary["tokenizer_hash"] == tables[1].summary["tokenizer_hash"]
    assert tables[1].summary["churn"] == 0.0


def test_the_same_window_again_is_skipped_says_why_and_changes_nothing(
    line: Line, second: PipelineRunResponse
) -> None:
    before = line.state()
    again = line.retrain("2024-01-12T09:30:00+00:00")  # a later hour of the same day
    assert steps_of(again) == SKIPPED
    assert outcome(again).startswith("Skip: The window that ends 2024-01-12 00:00 UTC was decided")
    assert second.name in outcome(again)
    assert line.state() == before


def test_an_older_window_is_skipped_where_a_newer_one_is_over(
    line: Line, second: PipelineRunResponse
) -> None:
    assert second
    before = line.state()
    late = line.retrain("2024-01-10T02:00:00+00:00")
    assert steps_of(late) == SKIPPED
    assert "a newer one" in outcome(late)
    assert line.state() == before


def test_a_window_with_too_little_new_is_skipped_and_remembered(
    line: Line, second: PipelineRunResponse, tmp_path: Path
) -> None:
    assert second
    settings = read_yaml(Path("configs/retraining/tiny.yaml"))
    settings["decision"]["min_fresh"] = 100_000
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps(settings), encoding="utf-8")
    run = line.retrain("2024-01-13T02:00:00+00:00", retraining=str(rules))
    assert steps_of(run) == SKIPPED
    assert "rule: at least 100000" in outcome(run)
    assert closed_windows(line.name)[-1].decision.kind == "skip"
    champion = champion_folder(line.name)
    released = production(release_folder(line.name))
    assert champion is not None
    assert released is not None
    assert read_manifest(champion).content_hash == released.model_hash
