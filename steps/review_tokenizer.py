"""Step: whether the tokenizer in use still fits the catalogue."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.drift_verdict import read_drift_verdict
from models.assessment.retraining import RetrainingConfig
from models.assessment.tokenizer_review import TokenizerReview
from models.assessment.tokenizer_review import review_tokenizer as review
from models.settings import parse_settings
from steps.adapters.tracking import record
from steps.adapters.workspace import local


@step(enable_cache=False)
def review_tokenizer(
    semantic_ids: ArtifactRef, tokenizer: ArtifactRef, drift: ArtifactRef, settings: dict[str, Any]
) -> Annotated[TokenizerReview, "tokenizer_review"]:
    """Return whether a new tokenizer is called for, with every rule's figure."""
    rules = parse_settings(RetrainingConfig, settings, "retraining").tokenizer
    moved = read_drift_verdict(local(drift))
    found = review(local(semantic_ids), local(tokenizer), moved, rules)
    record({"renew": found.renew, "reasons": list(found.reasons)})
    return found
