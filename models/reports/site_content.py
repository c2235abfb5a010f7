"""What the report site tells, in plain values: the pages are drawn from this and nothing else.

Addresses are relative to the site's root and "" where the page is not on disk any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.artifacts import Scalar
from models.reports.drift_results import DriftVerdict
from models.reports.verdicts import MetricDifference

Metrics = Mapping[str, float | None]
Stage = Literal["candidate", "staging", "production", "archived"]
Status = Literal["succeeded", "failed", "skipped", "missed", "timed_out", "running"]


@dataclass(frozen=True, slots=True)
class Document:
    """A page that a step made.

    Attributes:
        kind: Kind of its artifact; "backtest" for a backtest, "benchmark" for a benchmark.
        title: What a reader calls it.
        address: Where it stands in the site.
        key: Its artifact: pages of one artifact have the same.
        figures: The artifact's summary.
    """

    kind: str
    title: str
    address: str
    key: str
    figures: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended, whether or not a model came of it.

    Attributes:
        name: Its name.
        line: Its line of releases.
        at: When it ended, UTC.
        address: Its page in the site.
        model: Name of its model.
        version: The version it packaged.
        news: Whether it registered that version; one answered from the cache has it from before.
        cached: Whether every step was answered from the cache.
        promoted: The gate's decision.
        reasons: The gate's reasons.
        metrics: By role: challenger, champion, baseline.
        gains: Challenger minus champion, where there was one.
        checks: Number of validation checks, and those that warn.
        drift: What moved; ``None`` where it was not looked at.
        documents: Its pages.
        facts: What it takes to reproduce it.
    """

    name: str
    line: str
    at: datetime
    address: str
    model: str
    version: str
    news: bool
    cached: bool
    promoted: bool
    reasons: tuple[str, ...]
    metrics: Mapping[str, Metrics]
    gains: tuple[MetricDifference, ...]
    checks: tuple[int, tuple[str, ...]] | None
    drift: DriftVerdict | None
    documents: tuple[Document, ...]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that made no model: where it stopped, and why."""

    name: str
    at: datetime
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What a retraining decided on a window of the log.

    Attributes:
        line: The line of releases.
        ends_at: Where the window ends, UTC.
        at: When it was decided.
        run: The run that decided.
        kind: "skip", "warm" or "full".
        reasons: Every rule that spoke.
        version: The version that was trained; "" for a window that was skipped.
    """

    line: str
    ends_at: datetime
    at: datetime
    run: str
    kind: str
    reasons: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a release history."""

    at: datetime
    who: str
    action: str
    reason: str
    from_version: str | None
    to_version: str


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model version with the figures it was judged by."""

    name: str
    at: datetime
    run: str
    approved: bool
    stage: Stage
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Reign:
    """The time a version was in production; ``until`` is ``None`` for the present one."""

    version: str
    since: datetime
    until: datetime | None
    change: Change


@dataclass(frozen=True, slots=True)
class Line:
    """A line of releases: one a data set.

    Attributes:
        name: Its name.
        production: What is in production.
        versions: All registered versions, oldest first.
        changes: Its history, oldest first.
    """

    name: str
    production: str | None
    versions: tuple[Version, ...]
    changes: tuple[Change, ...]

    def reigns(self) -> tuple[Reign, ...]:
        """Return who was in production and when, oldest first."""
        switches = [c for c in self.changes if c.action in {"promote", "rollback"}]
        ends = [change.at for change in switches[1:]]
        return tuple(
            Reign(change.to_version, change.at, end, change)
            for change, end in zip(switches, [*ends, None], strict=True)
        )

    def version(self, name: str) -> Version | None:
        """Return a version by name."""
        return next((version for version in self.versions if version.name == name), None)


@dataclass(frozen=True, slots=True)
class Firing:
    """One run of a schedule, or one that should have been; times are UTC."""

    schedule: str
    scheduled_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    status: Status
    attempt: int
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the site tells.

    Attributes:
        made_at: When, UTC.
        runs: Newest first.
        failed: Runs that failed, newest first; ``None`` where nobody looked.
        lines: By name.
        windows: What retrainings decided, newest first.
        firings: What schedules did, newest first; ``None`` where none is installed.
        backtests: Their pages, newest first.
        benchmarks: Their pages, newest first; the figures of each say what it found.
        unreadable: What could not be read: file → why.
    """

    made_at: datetime
    runs: Sequence[Run] = ()
    failed: Sequence[FailedRun] | None = None
    lines: Sequence[Line] = ()
    windows: Sequence[Decided] = ()
    firings: Sequence[Firing] | None = None
    backtests: Sequence[tuple[datetime, Document]] = ()
    benchmarks: Sequence[tuple[datetime, Document]] = ()
    unreadable: Mapping[str, str] | None = None

    def line(self, name: str) -> Line | None:
        """Return a line by name."""
        return next((line for line in self.lines if line.name == name), None)

    def run(self, name: str) -> Run | None:
        """Return a run by name."""
        return next((run for run in self.runs if run.name == name), None)

    def run_of(self, version: Version) -> Run | None:
        """Return the run that registered a version."""
        return self.run(version.run)

    def documents(self, kind: str) -> Iterator[tuple[Document, list[Run]]]:
        """Yield each page of a kind, newest first, with the runs it belongs to, oldest last."""
        users: dict[str, list[Run]] = {}
        pages: dict[str, Document] = {}
        for run in self.runs:
            for page in run.documents:
                if page.kind == kind:
                    name = f"{page.key}/{page.title}"
                    pages.setdefault(name, page)
                    users.setdefault(name, []).append(run)
        for name, page in pages.items():
            yield page, users[name]
