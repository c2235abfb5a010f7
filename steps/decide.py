"""Step: skip the window, go on from the champion, or train in full; and why."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.drift_verdict import read_drift_verdict
from models.assessment.retraining import Decision, RetrainingConfig
from models.assessment.retraining import decide as decide_on
from models.assessment.tokenizer_review import TokenizerReview
from models.settings import parse_settings
from steps.adapters.retraining_windows import Outlook
from steps.adapters.tracking import record
from steps.adapters.workspace import local


@step(enable_cache=False)
def decide(
    outlook: Outlook,
    settings: dict[str, Any],
    recipe: str,
    drift: ArtifactRef | None = None,
    review: TokenizerReview | None = None,
) -> Annotated[Decision, "decision"]:
    """Return what is done with the window; before there is a drift report, whether to look on."""
    config = parse_settings(RetrainingConfig, settings, "retraining")
    if outlook.over or outlook.window is None:
        decision = Decision(kind="skip", reasons=(outlook.over,), recipe=recipe)
    else:
        decision = decide_on(
            outlook.window,
            outlook.champion,
            read_drift_verdict(local(drift)) if drift is not None else None,
            config,
            recipe,
            renewed=review is not None and review.renew,
        )
    record({"decision": decision.kind, "reasons": list(decision.reasons)})
    return decision
