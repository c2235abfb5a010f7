"""Step: what became of a window, for the next run to find."""

from datetime import UTC, datetime
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.retraining import Decision
from steps.adapters.releases import champion_hash
from steps.adapters.retraining_windows import ClosedWindow, Outlook, close
from steps.adapters.tracking import record, run_name


@step(enable_cache=False)
def close_window(
    outlook: Outlook,
    decision: Decision,
    line: str,
    run_settings: str,
    examples: ArtifactRef | None = None,
    released: dict[str, Any] | None = None,
) -> Annotated[str, "outcome"]:
    """Return in one sentence what was done; a window closed before stays as it was."""
    record({"decision": decision.kind, "reasons": list(decision.reasons)})
    if outlook.window is None or outlook.over:
        return decision.sentence
    release = released or {}
    closed = ClosedWindow(
        window=outlook.window,
        decision=decision,
        settings=run_settings,
        run=run_name(),
        closed_at=datetime.now(UTC),
        examples=examples,
        version=str(release.get("version") or ""),
        production=str(release.get("production") or champion_hash(line)[:12]),
    )
    close(line, closed)
    return decision.sentence
