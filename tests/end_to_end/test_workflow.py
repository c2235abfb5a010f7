"""The whole workflow, really run: every step, every tool, on the tiny simulated shop."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from zenml.client import Client
from zenml.enums import ExecutionStatus, ModelStages

from models.artifacts import ArtifactRef, verify_artifact
from steps.adapters.dvc_records import run_record
from steps.adapters.releases import release_folder
from steps.adapters.runs import RunReport, read_report
from steps.adapters.workspace import state_folder

# ZenML, DVC, Evidently and BentoML all warn of their own dependencies in one process.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LINE = "simulator_tiny"
STEPS = {
    "ingest", "validate", "build_examples", "embed_items", "bin_intents", "train_tokenizer",
    "assign_semantic_ids", "train_baseline", "train_ctr_model", "evaluate", "report_drift",
    "compare_with_champion", "package_bento", "promote_bento", "version_artifacts",
}  # fmt: skip


def run_smoke() -> RunReport:
    from pipelines.workflow import workflow

    workflow.with_options(config_path="configs/pipelines/smoke.yaml")()
    return read_report()


@pytest.fixture(scope="module")
def first() -> RunReport:
    """The first run on an empty state folder."""
    return run_smoke()


@pytest.fixture(scope="module")
def third(first: RunReport) -> RunReport:
    """A run after which nothing is left to do: the second one compares with the first's model."""
    assert first
    run_smoke()
    return run_smoke()


def test_every_step_runs(first: RunReport) -> None:
    steps = Client().get_pipeline_run(first.run).steps
    assert set(steps) == STEPS
    assert {step.status for step in steps.values()} == {ExecutionStatus.COMPLETED}
    assert not first.cached


def test_the_report_tells_figures_verdicts_and_where_to_read_on(first: RunReport) -> None:
    for role in ("challenger", "baseline"):
        assert 0.5 < first.metrics[role]["auc"] <= 1  # type: ignore[operator]
        assert 0 < first.metrics[role]["gauc"] <= 1  # type: ignore[operator]
    assert first.verdicts["validation"]["passed"]
    assert first.verdicts["gate"]["promote"]
    assert first.production == first.version
    assert {"Evaluation", "Validation", "Drift summary", "Semantic IDs"} <= set(first.reports)
    for page in first.reports.values():
        assert Path(page).stat().st_size > 1000


def test_every_link_of_the_index_lives(first: RunReport) -> None:
    index = Path(first.reports["All reports"])
    links = re.findall(r'href="([^"#]+)"', index.read_text(encoding="utf-8"))
    assert len(links) >= 7
    for link in links:
        assert (index.parent / unquote(link)).is_file(), link


def test_every_artifact_is_whole_and_none_is_pickled(first: RunReport, project) -> None:
    artifacts = run_record(state_folder(), first.run).artifacts
    assert len(artifacts) >= 11
    for artifact in artifacts:
        verify_artifact(state_folder() / artifact.path)
    stored = [path for folder in (state_folder(), project.state) for path in folder.rglob("*")]
    assert not [path for path in stored if path.suffix in {".pkl", ".pickle", ".cloudpickle"}]


def test_lineage_and_figures_stand_in_zenml(first: RunReport) -> None:
    run = Client().get_pipeline_run(first.run)
    evaluation = run.steps["evaluate"].outputs["evaluation"][0]
    metadata = {name: value for name, value in evaluation.run_metadata.items()}
    assert metadata["test/auc"] == first.metrics["challenger"]["auc"]
    assert isinstance(evaluation.load(), ArtifactRef)
    dvc = run.steps["version_artifacts"].run_metadata["dvc"]
    assert len(dvc) >= 11
    assert all(re.fullmatch(r"[0-9a-f]{32}\.dir", value) for value in dvc.values())


def test_the_dashboard_gets_static_pages(first: RunReport) -> None:
    run = Client().get_pipeline_run(first.run)
    shown = {
        Path(visual.uri).name: visual
        for step in run.steps.values()
        for outputs in step.outputs.values()
        for output in outputs
        for visual in output.visualizations or []
    }
    assert {"evaluation.html", "validation.html", "intents.html", "tokenizer.html"} <= set(shown)
    page = Path(shown["evaluation.html"].uri).read_text(encoding="utf-8")
    assert "<script" not in page
    assert 'src="http' not in page


def test_the_released_version_is_production_in_zenml(first: RunReport) -> None:
    version = Client().get_model_version(LINE, ModelStages.PRODUCTION)
    assert version.run_metadata["version"] == first.version
    in_production = [
        other
        for other in Client().list_model_versions(model=LINE).items
        if other.stage == ModelStages.PRODUCTION
    ]
    assert len(in_production) == 1


def test_a_run_with_nothing_new_is_answered_from_the_cache(
    first: RunReport, third: RunReport
) -> None:
    assert third.cached
    assert third.version == first.version == third.production
    assert third.metrics["challenger"] == first.metrics["challenger"]
    steps = Client().get_pipeline_run(third.run).steps
    done = {name for name, step in steps.items() if step.status == ExecutionStatus.COMPLETED}
    assert done == {"promote_bento", "version_artifacts"}


def test_checkout_brings_a_runs_files_back_bit_equal(first: RunReport) -> None:
    from steps.adapters.dvc import restore_run

    artifacts = run_record(state_folder(), first.run).artifacts
    lost = state_folder() / next(a.path for a in artifacts if "ctr_model" in a.path)
    before = {path.name: path.read_bytes() for path in lost.rglob("*") if path.is_file()}
    shutil.rmtree(lost)
    restore_run(state_folder(), first.run)
    after = {path.name: path.read_bytes() for path in lost.rglob("*") if path.is_file()}
    assert after == before


def test_the_release_history_tells_who_and_why(first: RunReport) -> None:
    lines = (release_folder(LINE) / "history.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    promotions = [event for event in events if event["action"] == "promote"]
    assert promotions[0]["to_version"] == first.version
    assert promotions[0]["who"] == "gate"
    assert promotions[0]["reason"]


def test_the_evaluation_page_looks_like_something(
    first: RunReport, screenshot: Callable[..., Path]
) -> None:
    from PIL import Image

    picture = Image.open(screenshot(Path(first.reports["Evaluation"])))
    colours = picture.convert("RGB").getcolors(maxcolors=2**24) or []
    assert len(colours) > 50
    assert max(count for count, _ in colours) < 0.97 * picture.width * picture.height


def test_the_report_site_of_real_runs_reads_well(
    third: RunReport, chromium: Path, tmp_path: Path
) -> None:
    from steps.adapters.report_site import build_site
    from tests.site_audit import browse, crawl

    site = build_site().index.parent
    reached, dead = crawl(site)
    assert dead == []
    assert f"runs/{third.run}.html" in reached
    assert {p.relative_to(site).as_posix() for p in site.rglob("*.html")} <= reached
    own = sorted(p for p in reached if p.endswith(".html") and (site / p).stat().st_size < 10**6)
    told, errors = browse(chromium, site, own, tmp_path, width=400, dark=True)
    assert errors == []
    assert [page["page"] for page in told if page["width"] > 400] == []
    assert {page["page"]: page["pale"] for page in told if page["pale"]} == {}
