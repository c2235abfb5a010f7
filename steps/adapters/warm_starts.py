"""How a training goes on from the champion: what it reads of the store, and what it tells of it."""

from collections.abc import Mapping

from models.artifacts import ArtifactRef, Scalar
from models.assessment.retraining import Decision
from models.data.examples import ExampleStore
from models.data.newer_rows import keep_newer, train_span
from models.errors import IncompatibleArtifactError


def narrowed(store: ExampleStore, decision: Decision | None, seed: int) -> ExampleStore:
    """Return the store; for a warm start, only with train rows that the champion has not seen."""
    if decision is None or decision.kind != "warm" or decision.since_s is None:
        return store
    return keep_newer(store, decision.since_s, decision.replay_share, seed)


def started_from(
    decision: Decision | None, champion: ArtifactRef | None
) -> Mapping[str, ArtifactRef]:
    """Return the champion under its role, for a warm start; nothing for a full training.

    Raises:
        IncompatibleArtifactError: production changed since the decision was made.
    """
    if decision is None or decision.kind != "warm":
        return {}
    if champion is None or champion.content_hash != decision.champion:
        found = "no model" if champion is None else f"model {champion.content_hash[:12]}"
        raise IncompatibleArtifactError(
            f"The warm start was decided for champion {decision.champion[:12]}, and {found} is "
            "in production now.",
            where="the line's releases",
            do="Run the retraining again: it decides anew.",
        )
    return {"champion": champion}


def told_span(store: ExampleStore, decision: Decision | None) -> dict[str, Scalar]:
    """Return what the next retraining has to know of this one, for the model's summary."""
    since, until = train_span(store)
    told: dict[str, Scalar] = {"trained_since_s": since, "trained_until_s": until}
    if decision is None:
        return told
    warm = decision.kind == "warm"
    return {
        **told,
        "training": decision.kind,
        "full_until_s": decision.full_until_s if warm else until,
        "recipe": decision.recipe,
    }
