"""Whether the tokenizer in use still fits the catalogue, or a new one has to be trained."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from models.artifacts import read_manifest
from models.assessment.drift_verdict import DriftVerdict
from models.assessment.retraining import TokenizerRules
from models.tokenizers.diagnostics import DIAGNOSTICS_FILE


class TokenizerReview(BaseModel):
    """What the review says; a tokenizer is kept until it says otherwise.

    Attributes:
        renew: Whether a new tokenizer has to be trained.
        reasons: Every rule with what was observed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    renew: bool
    reasons: tuple[str, ...]


def review_tokenizer(
    semantic_ids: Path, tokenizer: Path, drift: DriftVerdict | None, rules: TokenizerRules
) -> TokenizerReview:
    """Return the review of a tokenizer that has just given new items their IDs.

    A new one changes the ID of most items, and with it all that a model learnt of them: it has to
    be called for. Whether it then replaces this one is for the gate of its own configuration
    (`models.tokenizers.gate`), which also limits the churn.

    Args:
        semantic_ids: The IDs of today's catalogue by the tokenizer in use.
        tokenizer: The tokenizer's artifact.
        drift: The drift verdict; ``None`` where there is none.
        rules: When it no longer fits.
    """
    figures = json.loads((semantic_ids / DIAGNOSTICS_FILE).read_text(encoding="utf-8"))
    findings = _findings(figures, read_manifest(tokenizer).summary, rules)
    embeddings = None if drift is None else drift.groups.get("embeddings")
    if embeddings is not None and rules.when_embeddings_drift:
        findings.append((not embeddings.drifted, f"drift of the embeddings: {embeddings.sentence}"))
    reasons = tuple(f"{'Met' if met else 'Not met'}: {words}" for met, words in findings)
    return TokenizerReview(renew=not all(met for met, _ in findings), reasons=reasons)


def _findings(
    figures: dict[str, Any], trained: dict[str, Any], rules: TokenizerRules
) -> list[tuple[bool, str]]:
    use, unique, lost = min(figures["utilisation"]), figures["unique_rate"], figures["fvu"]
    then = trained.get("held_out/fvu") or trained.get("fitted/fvu") or lost
    growth = lost / then if then > 0 else 1.0
    new = 1 - min(trained.get("items", figures["items"]) / max(figures["items"], 1), 1.0)
    return [
        (use >= rules.min_utilisation, _told("codes in use", use, rules.min_utilisation, "least")),
        (
            unique >= rules.min_unique_rate,
            _told("different codes per item", unique, rules.min_unique_rate, "least"),
        ),
        (lost <= rules.max_fvu, _told("variance lost", lost, rules.max_fvu, "most")),
        (
            growth <= rules.max_fvu_growth,
            _told("variance lost, beside then", growth, rules.max_fvu_growth, "most"),
        ),
        (
            new <= rules.max_new_items,
            _told("items it was not trained on", new, rules.max_new_items, "most"),
        ),
    ]


def _told(name: str, value: float, bound: float, word: str) -> str:
    return f"{name} {value:.4f} (rule: at {word} {bound:.4f})."
