"""The record of every run: what it found, where its reports are, and its artifacts in DVC."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from models.artifacts import ArtifactRef, Scalar
from models.errors import CorruptArtifactError, MissingDataError
from models.files import write_text
from models.reports.index_page import write_index_page
from models.reports.verdicts import Comparison, DriftVerdict, ValidationVerdict
from steps.adapters.dvc_records import RunRecord, record_path
from steps.adapters.workspace import local, state_folder

# What a run's reader may open, in the order of the story: artifact kind, file, title.
PAGES = (
    ("validation", "validation.html", "Validation"),
    ("validation", "data_docs/index.html", "Great Expectations Data Docs"),
    ("intents", "intents.html", "Intent levels"),
    ("semantic_ids", "tokenizer.html", "Semantic IDs"),
    ("evaluation", "evaluation.html", "Evaluation"),
    ("drift", "summary.html", "Drift summary"),
    ("drift", "drift.html", "Drift, Evidently's full report"),
    ("comparison", "comparison.html", "Challenger and champion"),
)


class RunReport(BaseModel):
    """What ``intentflow show`` tells of a run; ``runs/<run>/run.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    line: str
    finished_at: datetime
    cached: bool
    model: str
    seed: int | None
    commit: str
    data_hash: str
    metrics: dict[str, dict[str, float | None]]
    verdicts: dict[str, dict[str, Any]]
    reports: dict[str, str]
    bento: str
    version: str
    production: str | None


def report_run(
    run: str,
    line: str,
    artifacts: Sequence[ArtifactRef],
    released: Mapping[str, Any],
    *,
    cached: bool,
    provenance: Mapping[str, str],
) -> RunReport:
    """Write the run's index page and ``run.json``, and return what stands in it.

    Args:
        run: The run's name.
        line: Its line of releases.
        artifacts: All artifacts of the run; of two models, the later is the challenger.
        released: Version, tag and production version, as the promoting step returned them.
        cached: Whether every step before was answered from the cache.
        provenance: ``commit`` and ``data_hash``.
    """
    folder = state_folder() / "runs" / run
    by_kind = {ref.kind: local(ref) for ref in artifacts}
    summaries: dict[str, dict[str, Scalar]] = {ref.kind: ref.summary for ref in artifacts}
    pages = {
        title: by_kind[kind] / name
        for kind, name, title in PAGES
        if kind in by_kind and (by_kind[kind] / name).is_file()
    }
    folder.mkdir(parents=True, exist_ok=True)
    links = {title: Path(os.path.relpath(page, folder)).as_posix() for title, page in pages.items()}
    index = write_index_page(folder, links, title=run)
    comparison = Comparison.model_validate_json(_text(by_kind["comparison"], "comparison.json"))
    report = RunReport(
        run=run,
        line=line,
        finished_at=datetime.now(UTC),
        cached=cached,
        model=comparison.challenger,
        seed=_seed(by_kind["ctr_model"]),
        commit=provenance["commit"],
        data_hash=provenance["data_hash"],
        metrics=_metrics(summaries["evaluation"], comparison),
        verdicts=_verdicts(by_kind, comparison),
        reports={"All reports": str(index), **{title: str(p) for title, p in pages.items()}},
        bento=str(released["tag"]),
        version=str(released["version"]),
        production=released["production"],
    )
    text = report.model_dump_json(indent=2) + "\n"
    write_text(folder / "run.json", text)
    write_text(_latest(), json.dumps({"run": run}) + "\n")
    return report


def read_report(run: str | None = None) -> RunReport:
    """Return the report of ``run``, or of the latest run; raise `MissingDataError` without one."""
    folder = state_folder() / "runs"
    name = run
    try:
        name = run or json.loads(_latest().read_text(encoding="utf-8"))["run"]
        return RunReport.model_validate_json(_text(folder / name, "run.json"))
    except FileNotFoundError:
        known = sorted(path.parent.name for path in folder.glob("*/run.json"))
        raise MissingDataError(
            f"There is no report of run {run!r}." if run else "No run has finished yet.",
            where=str(folder),
            allowed=", ".join(known) or "no run yet",
            do="Run the pipeline first: make run",
        ) from None
    except (ValueError, LookupError, TypeError) as error:
        raise CorruptArtifactError(
            f"The report of the run cannot be read: {str(error).splitlines()[0]}",
            where=str(folder / name / "run.json") if name else str(_latest()),
            do="Name another run, or run the pipeline again: make run",
        ) from None


def same_as_before(run: str, artifacts: Sequence[ArtifactRef]) -> dict[str, str] | None:
    """Return path → md5 if the latest run stored exactly these artifacts, noting them for ``run``.

    A fully cached run then needs no DVC.
    """
    try:
        before = read_report().run
        path = record_path(state_folder(), before)
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (MissingDataError, OSError):
        return None
    stored = {artifact.path: artifact.content_hash for artifact in record.artifacts}
    if stored != {ref.path: ref.content_hash for ref in artifacts}:
        return None
    again = record.model_copy(update={"run": run, "stored_at": datetime.now(UTC)})
    write_text(record_path(state_folder(), run), again.model_dump_json(indent=2) + "\n")
    return {artifact.path: artifact.md5 for artifact in record.artifacts}


def _metrics(
    evaluation: Mapping[str, Scalar], comparison: Comparison
) -> dict[str, dict[str, float | None]]:
    roles = {"challenger": "test/", "baseline": "base/"}
    told: dict[str, dict[str, float | None]] = {
        role: {
            key.removeprefix(prefix): value
            for key, value in evaluation.items()
            if key.startswith(prefix) and not isinstance(value, str)
        }
        for role, prefix in roles.items()
    }
    champion = {metric.metric: metric.champion for metric in comparison.metrics}
    return told | ({"champion": champion} if comparison.champion else {})


def _verdicts(by_kind: Mapping[str, Path], comparison: Comparison) -> dict[str, dict[str, Any]]:
    validation = ValidationVerdict.model_validate_json(_text(by_kind["validation"], "verdict.json"))
    drift = DriftVerdict.model_validate_json(_text(by_kind["drift"], "verdict.json"))
    return {
        "validation": {
            "passed": validation.passed,
            "checks": len(validation.checks),
            "warnings": [check.expectation for check in validation.warnings],
        },
        "drift": {
            "drifted": drift.drifted,
            "columns": [column.name for column in drift.columns if column.drifted],
        },
        "gate": {"promote": comparison.promote, "reasons": list(comparison.reasons)},
    }


def _seed(model_folder: Path) -> int | None:
    return json.loads(_text(model_folder, "manifest.json"))["config"].get("seed")


def _latest() -> Path:
    """Return the file that names the latest run; it stands apart from the runs' own records."""
    return state_folder() / "latest.json"


def _text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")
