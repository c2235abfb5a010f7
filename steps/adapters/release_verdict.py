"""The gate's verdict carried out: registered, then into production, into staging, or kept back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.artifacts import Scalar
from models.reports.verdicts import Comparison
from models.settings import parse_settings
from steps.adapters.bento_store import BentoRef
from steps.adapters.notify import Event, Notification, notify
from steps.adapters.release import history, promote, register_candidate, stage, stage_of
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.release_records import Stage

GATE = "gate"
EVENTS: dict[Stage, Event] = {
    "production": "promoted",
    "staging": "staged",
    "candidate": "kept",
    "archived": "kept",
}


def carry_out(
    folder: Path,
    bento: BentoRef,
    verdict: Comparison,
    metrics: Mapping[str, Scalar],
    run: str,
) -> Stage:
    """Register the Bento, promote or stage it where the gate approved, and return its stage.

    A version that somebody rolled back or withdrew stays where it is: the gate, which sees what it
    saw before, does not overrule a person.

    Args:
        folder: The line's folder.
        bento: The challenger's Bento.
        verdict: The gate's.
        metrics: The figures it was judged by.
        run: The run that made it.
    """
    reasons = verdict.reasons
    approved = verdict.promote
    register_candidate(
        folder, bento, approved=approved, reasons=reasons, metrics=dict(metrics), run=run
    )
    why = "; ".join(reasons) or "approved"
    if not approved or taken_back(folder, bento.version):
        return stage_of(folder, bento.version)
    if verdict.then == "promote":
        promote(folder, bento.version, reason=why, who=GATE)
    elif stage_of(folder, bento.version) != "production":
        stage(folder, bento.version, reason=why, who=GATE)
    return stage_of(folder, bento.version)


def taken_back(folder: Path, version: str) -> bool:
    """Tell whether the last that happened to a version is that somebody took it back."""
    moves = [event for event in history(folder) if event.action != "register"]
    own = [event for event in moves if version in (event.from_version, event.to_version)]
    return (
        bool(own)
        and own[-1].action in {"rollback", "withdraw"}
        and (own[-1].from_version == version)
    )


def tell(
    line: str, version: str, reached: Stage, verdict: Comparison, settings: Mapping[str, Any]
) -> None:
    """Tell whoever the configuration names what became of a challenger; a failing hook is logged.

    Args:
        line: The line of releases.
        version: The challenger.
        reached: Its stage now.
        verdict: The gate's.
        settings: The content of a file of ``configs/release``.
    """
    hooks = parse_settings(ReleaseConfig, dict(settings), "release").notify
    event = EVENTS[reached]
    unmet = [rule.sentence for rule in verdict.rules if not rule.met]
    because = f" {' '.join(unmet)}" if unmet and not verdict.promote else ""
    notification = Notification(
        event=event,
        source=f"release {line}",
        text=f"{verdict.challenger} was {event.replace('kept', 'kept back')}.{because}",
        details={"version": version, "champion": verdict.champion, "approved": verdict.promote},
    )
    for hook in hooks:
        notify(notification, hook)
