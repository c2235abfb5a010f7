"""The runs that failed, of which only ZenML's store knows: a failed run leaves no report."""

from datetime import UTC
from typing import TYPE_CHECKING

from models.reports.site_content import FailedRun

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

MOST = 100


def failed_runs(most: int = MOST) -> list[FailedRun]:
    """Return the newest runs that failed, newest first: at which step, and by what error."""
    from zenml.client import Client

    found = Client().list_pipeline_runs(status="failed", sort_by="desc:created", size=most)
    return [_told(run) for run in found.items]


def _told(run: "PipelineRunResponse") -> FailedRun:
    step = next((s for s in run.steps.values() if s.status == "failed"), None)
    error = (step.exception_info if step else None) or run.exception_info
    return FailedRun(
        name=run.name,
        at=(run.end_time or run.created).replace(tzinfo=UTC),
        step=step.name if step else "",
        reason=_last_words(error.traceback if error else ""),
    )


def _last_words(traceback: str) -> str:
    """Return what an error says, without where in the code it was raised."""
    lines = traceback.strip().splitlines()
    start = max((n for n, line in enumerate(lines) if not line.startswith(" ")), default=0)
    return " ".join(line.strip() for line in lines[start:]) or "ZenML noted no reason."
