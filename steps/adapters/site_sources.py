"""What the report site tells, read from the state folder's files; ZenML is not asked."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.artifacts import Scalar, read_manifest
from models.assessment.drift_verdict import DriftVerdict, read_drift_verdict
from models.errors import ProjectError
from models.reports.site_content import (
    Change,
    Decided,
    Document,
    FailedRun,
    Firing,
    Line,
    Run,
    Site,
    Stage,
    Version,
)
from models.reports.verdicts import Comparison, MetricDifference
from steps.adapters.release_log import Release, read_history, read_pointer, read_releases
from steps.adapters.release_stages import stages
from steps.adapters.retraining_windows import closed_windows
from steps.adapters.runs import RunReport
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.site_benchmarks import read_benchmarks
from steps.adapters.workspace import state_folder

ARTIFACTS = "artifacts"
OWN_INDEX = "All reports"  # the run's page in the site takes its place
BACKTESTS = "backtests"


def read_site(failed: Sequence[FailedRun] | None = None) -> Site:
    """Return everything the site tells; what cannot be read is named, not raised.

    Args:
        failed: The runs that failed, of which the files say nothing; ``None`` if nobody asked.
    """
    unreadable: dict[str, str] = {}
    lines = _lines(unreadable)
    runs = _runs({version.run: version for line in lines for version in line.versions}, unreadable)
    return Site(
        made_at=datetime.now(UTC),
        runs=runs,
        failed=failed,
        lines=lines,
        windows=_windows(unreadable),
        firings=_firings(unreadable),
        backtests=_backtests(),
        benchmarks=read_benchmarks(unreadable),
        unreadable=unreadable,
    )


def _runs(made: Mapping[str, Version], unreadable: dict[str, str]) -> list[Run]:
    found = []
    for path in (state_folder() / "runs").glob("*/run.json"):
        try:
            report = RunReport.model_validate_json(path.read_text(encoding="utf-8"))
            found.append(_run(report, news=report.run in made))
        except (OSError, ValueError, ProjectError) as error:
            unreadable[str(path.relative_to(state_folder()))] = _first_line(error)
    return sorted(found, key=lambda run: (run.at, run.name), reverse=True)


def _run(report: RunReport, *, news: bool) -> Run:
    documents = tuple(
        _document(title, Path(path)) for title, path in report.reports.items() if title != OWN_INDEX
    )
    gate = report.verdicts.get("gate", {})
    return Run(
        name=report.run,
        line=report.line,
        at=report.finished_at,
        address=f"runs/{_file_name(report.run)}.html",
        model=report.model,
        version=report.version,
        news=news,
        cached=report.cached,
        promoted=bool(gate.get("promote")),
        reasons=tuple(gate.get("reasons", ())),
        metrics=report.metrics,
        gains=_gains(documents),
        checks=_checks(report.verdicts.get("validation")),
        drift=_drift(documents, report.verdicts.get("drift")),
        documents=documents,
        facts=_facts(report),
    )


def _facts(report: RunReport) -> dict[str, str]:
    facts = {
        "Line": report.line,
        "Version": report.version,
        "Bento": report.bento,
        "Seed": "" if report.seed is None else str(report.seed),
        "Commit": report.commit,
        "Data": report.data_hash,
    }
    return {name: value for name, value in facts.items() if value}


def _document(title: str, path: Path) -> Document:
    """Return a page of a run; the state folder may have moved since the run."""
    place = _place(path)
    first, *rest = place.parts
    in_artifact = first == ARTIFACTS and len(rest) > 2
    key = "/".join([first, *rest[:2]]) if in_artifact else place.as_posix()
    return Document(
        kind=rest[0] if in_artifact else first,
        title=title,
        address=place.as_posix() if (state_folder() / place).is_file() else "",
        key=key,
        figures=_figures(state_folder() / key) if in_artifact else {},
    )


def _place(path: Path) -> Path:
    """Return where a page stands below the state folder."""
    if path.is_relative_to(state_folder()):
        return path.relative_to(state_folder())
    parts = path.parts
    start = len(parts) - 1 - parts[::-1].index(ARTIFACTS) if ARTIFACTS in parts else len(parts) - 1
    return Path(*parts[start:])


def _figures(folder: Path) -> Mapping[str, Scalar]:
    try:
        return read_manifest(folder).summary
    except ProjectError:
        return {}


def _folder_of(documents: tuple[Document, ...], kind: str) -> Path | None:
    return next((state_folder() / page.key for page in documents if page.kind == kind), None)


def _gains(documents: tuple[Document, ...]) -> tuple[MetricDifference, ...]:
    folder = _folder_of(documents, "comparison")
    try:
        text = (folder / "comparison.json").read_text(encoding="utf-8") if folder else "{}"
        return Comparison.model_validate_json(text).metrics
    except (OSError, ValidationError):
        return ()


def _drift(documents: tuple[Document, ...], told: Mapping[str, Any] | None) -> DriftVerdict | None:
    """Return the drift artifact's verdict, or what the run itself noted of it."""
    folder = _folder_of(documents, "drift")
    try:
        if folder is not None:
            return read_drift_verdict(folder)
    except ProjectError:
        pass
    return None if told is None else DriftVerdict(drifted=bool(told.get("drifted")))


def _checks(told: Mapping[str, Any] | None) -> tuple[int, tuple[str, ...]] | None:
    if told is None:
        return None
    return int(told.get("checks", 0)), tuple(map(str, told.get("warnings", ())))


def _lines(unreadable: dict[str, str]) -> list[Line]:
    found = []
    for folder in sorted((state_folder() / "releases").glob("*/")):
        try:
            found.append(_line(folder))
        except (OSError, ValueError, ProjectError) as error:
            unreadable[str(folder.relative_to(state_folder()))] = _first_line(error)
    return found


def _line(folder: Path) -> Line:
    pointer, events, stage = read_pointer(folder), read_history(folder), stages(folder)
    changes = tuple(
        Change(
            at=event.at,
            who=event.who,
            action=event.action,
            reason=event.reason,
            from_version=event.from_version,
            to_version=event.to_version,
        )
        for event in events
    )
    return Line(
        name=folder.name,
        production=pointer.versions[-1] if pointer else None,
        versions=tuple(
            _version(release, stage[release.version]) for release in read_releases(folder)
        ),
        changes=changes,
    )


def _version(release: Release, stage: Stage) -> Version:
    tested = {
        name.removeprefix("test/"): float(value)
        for name, value in release.metrics.items()
        if name.startswith("test/") and isinstance(value, int | float)
    }
    return Version(
        name=release.version,
        at=release.registered_at,
        run=release.run or "",
        approved=release.approved,
        stage=stage,
        metrics=tested,
    )


def _windows(unreadable: dict[str, str]) -> list[Decided]:
    """Return what retrainings decided, newest window first."""
    found = []
    for folder in (state_folder() / "retraining").glob("*/"):
        try:
            closed = closed_windows(folder.name)
        except ProjectError as error:
            unreadable[str(folder.relative_to(state_folder()))] = _first_line(error)
            continue
        found += [
            Decided(
                line=folder.name,
                ends_at=datetime.fromtimestamp(one.window.end_s, UTC),
                at=one.closed_at,
                run=one.run,
                kind=one.decision.kind,
                reasons=one.decision.reasons,
                version=one.version,
            )
            for one in closed
        ]
    return sorted(found, key=lambda window: window.ends_at, reverse=True)


def _firings(unreadable: dict[str, str]) -> list[Firing] | None:
    """Return what schedules did; ``None`` where none was ever installed."""
    if not (state_folder() / "schedules").is_dir():
        return None
    try:
        history = read_schedule_history()
    except (OSError, ValueError, ProjectError) as error:
        unreadable["schedules"] = _first_line(error)
        return []
    newest_first = sorted(history, key=lambda run: run.scheduled_at, reverse=True)
    return [Firing(**{**run.model_dump(), "run": run.run or ""}) for run in newest_first]


def _backtests() -> list[tuple[datetime, Document]]:
    """Return the pages of backtests, newest first."""
    state = state_folder()
    places = [
        *(state / BACKTESTS).glob("*/*.html"),
        *(state / ARTIFACTS / "backtest").glob("*/*.html"),
    ]
    found = [
        (
            datetime.fromtimestamp(path.stat().st_mtime, UTC),
            Document(
                kind="backtest",
                title=path.parent.name,
                address=path.relative_to(state).as_posix(),
                key=path.parent.relative_to(state).as_posix(),
                figures={},
            ),
        )
        for path in places
    ]
    return sorted(found, key=lambda entry: entry[0], reverse=True)


def _file_name(run: str) -> str:
    """Return a name that is the same on every file system and in an address."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", run).lstrip(".")
    return plain if plain == run else f"{plain}-{sha256(run.encode()).hexdigest()[:6]}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
