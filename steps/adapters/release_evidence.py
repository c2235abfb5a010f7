"""What the guardrails look at besides the metrics: the packaged Bento, drift and the tokenizer."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.artifacts import ArtifactRef
from models.assessment.drift_verdict import read_drift_verdict
from models.assessment.predictions import Evidence, score_folder
from models.assessment.shop_requests import latencies, requests_of, widened
from models.files import own_prefix
from models.reports.verdicts import Comparison
from models.serving.predictor import Predictor
from models.tokenizers.semantic_ids import SemanticIds
from steps.adapters.bento import BentoRef, ask_bento
from steps.adapters.release_config import GateConfig
from steps.adapters.semantic_ids_in_use import ids_in_use
from steps.adapters.workspace import local, state_folder

TIMED_REQUESTS = 60


def observe(
    comparison: Comparison,
    folders: Mapping[str, Path],
    champion: Path | None,
    config: GateConfig,
    bento: BentoRef | None,
) -> Comparison:
    """Return ``comparison`` with what was seen of the Bento; only rules in force are measured.

    Args:
        comparison: Challenger and champion on the same examples.
        folders: The artifacts ``challenger``, ``examples`` and ``intents``.
        champion: The production model's folder; ``None`` before the first release.
        config: The rules.
        bento: The challenger's Bento; ``None`` leaves its guardrails without evidence.
    """
    if bento is None:
        return comparison
    evidence = Evidence.open(folders)
    found: dict[str, Any] = {"size_mb": bento.size_bytes / 1e6}
    if config.parity is not None:
        found |= _parity(evidence, folders["challenger"], Path(bento.path), config.parity_examples)
    if config.max_latency_ms is not None or config.max_latency_ratio is not None:
        model = Path(bento.path) / "src" / "model"
        found |= _latency(evidence, model, champion, config.latency_candidates)
    observed = comparison.observed.model_copy(update=found)
    return comparison.model_copy(update={"observed": observed})


def look_around(
    comparison: Comparison, drift: ArtifactRef | None, semantic_ids: ArtifactRef | None, line: str
) -> Comparison:
    """Return ``comparison`` with what drifted, and which tokenizers are behind the two models."""
    found: dict[str, Any] = {}
    if drift is not None:
        groups = read_drift_verdict(local(drift)).groups
        found["drifted"] = tuple(name for name, group in groups.items() if group.drifted)
    if semantic_ids is not None:
        found["tokenizer"] = SemanticIds.open(local(semantic_ids)).tokenizer_hash
        before = ids_in_use(line)
        found["champion_tokenizer"] = (
            "" if before is None else SemanticIds.open(before).tokenizer_hash
        )
    observed = comparison.observed.model_copy(update=found)
    return comparison.model_copy(update={"observed": observed})


def _parity(evidence: Evidence, model: Path, bento: Path, examples: int) -> dict[str, Any]:
    """Return how far the Bento's answers are from the scorer's, over the whole split."""
    rows = _spread(evidence, examples)
    expected = score_folder(model, evidence, rows)[1].probability
    scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=state_folder()))
    try:
        answers = ask_bento(bento, requests_of(evidence.store, model, rows), home=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    served = np.array([answer[0] for answer in answers])
    return {
        "parity": float(np.abs(served - expected).max(initial=0.0)),
        "parity_examples": len(rows),
    }


def _latency(
    evidence: Evidence, model: Path, champion: Path | None, candidates: int
) -> dict[str, Any]:
    scorers = {"challenger": Predictor.load(model)}
    if champion is not None:
        scorers["champion"] = Predictor.load(champion)
    rows = _spread(evidence, TIMED_REQUESTS)
    # Of fields only the challenger may know, the champion's request must not speak.
    plain = [
        request.model_copy(update={"user": {}, "context": {}})
        for request in requests_of(evidence.store, model, rows)
    ]
    asked = widened(plain, evidence.store.vocabularies().known_items, candidates)
    taken = latencies(scorers, asked)
    return {
        "latency_ms": taken["challenger"].p95_ms,
        "champion_latency_ms": taken["champion"].p95_ms if champion is not None else None,
        "latency_candidates": candidates,
    }


def _spread(evidence: Evidence, number: int) -> "np.ndarray":
    """Return up to ``number`` test rows, evenly over the split's time."""
    rows = evidence.store.rows("test")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(np.int64))]
