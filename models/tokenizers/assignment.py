"""Items → semantic IDs, by a frozen tokenizer that the gate has let through."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int

from models.artifacts import MANIFEST, Scalar, file_hash, read_manifest
from models.errors import TokenizerError
from models.files import write_text
from models.settings import digest
from models.tokenizers.base import Quantised, Tokenizer
from models.tokenizers.churn import Churn, churn
from models.tokenizers.collisions import code_groups, collision_codes, repaired_codes
from models.tokenizers.diagnostics import DIAGNOSTICS_FILE, code_diagnostics, fvu
from models.tokenizers.gate import TokenizerGate, Verdict, judge
from models.tokenizers.quality import cohort_purity, neighbour_recall
from models.tokenizers.semantic_ids import SemanticIds
from models.tokenizers.training import FACTS_FILE, WEIGHTS_FILE, check_values, load_tokenizer


@runtime_checkable
class EmbeddedItems(Protocol):
    """Item ids and their embeddings, row by row."""

    @property
    def item_ids(self) -> pl.Series:
        """Ids of the items."""
        ...

    @property
    def values(self) -> Float[np.ndarray, "N D"]:
        """Embedding of each item."""
        ...


@dataclass(frozen=True)
class Assigned:
    """What one tokenizer makes of the items.

    Attributes:
        semantic_ids: The table.
        figures: Of it, as `models.tokenizers.diagnostics` describes them.
        change: Churn against the IDs in use; ``None`` without any.
    """

    semantic_ids: SemanticIds
    figures: dict[str, Any]
    change: Churn | None


def assign_semantic_ids(
    embeddings: EmbeddedItems,
    tokenizer_folder: Path,
    folder: Path,
    *,
    previous: Path | None = None,
    previous_tokenizer: Path | None = None,
    gate: TokenizerGate | None = None,
    labels: pl.Series | None = None,
) -> dict[str, Scalar]:
    """Write the semantic IDs of the items into ``folder`` and return their figures.

    Writes semantic_ids.parquet (item_id, code_0 … code_{K-1}, collision), cohorts.parquet (level,
    code, item_ids), codebooks.safetensors, semantic_ids.json and diagnostics.json.

    Args:
        embeddings: The items, encoded as those that the tokenizer was trained on.
        tokenizer_folder: The frozen tokenizer.
        folder: Receives the files.
        previous: Semantic IDs in use. Where the same tokenizer made them, their items keep their
            IDs and only new items get some; churn against them is reported in any case.
        previous_tokenizer: The tokenizer that made them. It assigns the IDs where the gate turns
            the new one down.
        gate: When the new tokenizer may replace the previous one; by default always.
        labels: A label of each item, such as its category, for the purity of cohorts.

    Raises:
        TokenizerError: an id stands twice, an embedding is of another width, not finite or zero, or
            the gate turns the tokenizer down and there is none to keep.
        CorruptArtifactError: a tokenizer or the previous IDs cannot be read.
    """
    _check_ids(embeddings.item_ids)
    before = SemanticIds.open(previous) if previous is not None else None
    chosen = assigned = _assigned(embeddings, tokenizer_folder, before, labels)
    verdict = judge(assigned.figures, assigned.change, gate or TokenizerGate())
    if not verdict.approved:
        keep = _previous(previous_tokenizer, embeddings, verdict)
        chosen = _assigned(embeddings, keep, before, labels)
        kept = judge(chosen.figures, chosen.change, gate or TokenizerGate())
        if not kept.approved:
            raise _turned_down(verdict, kept)
    chosen.semantic_ids.save(folder)
    diagnostics = {
        **chosen.figures,
        **_churn_figures(assigned.change),
        "gate": {"approved": verdict.approved, "reasons": list(verdict.reasons)},
        "turned_down": None if verdict.approved else assigned.semantic_ids.tokenizer_hash,
    }
    write_text(folder / DIAGNOSTICS_FILE, json.dumps(diagnostics) + "\n")
    return _summary(diagnostics)


def folder_hash(tokenizer_folder: Path) -> str:
    """Return the hash a tokenizer is known by: its artifact's, else that of its files."""
    if (tokenizer_folder / MANIFEST).is_file():
        return read_manifest(tokenizer_folder).content_hash
    return digest([file_hash(tokenizer_folder / name) for name in (FACTS_FILE, WEIGHTS_FILE)])


def _assigned(
    embeddings: EmbeddedItems,
    tokenizer_folder: Path,
    before: SemanticIds | None,
    labels: pl.Series | None,
) -> Assigned:
    tokenizer = load_tokenizer(tokenizer_folder)
    check_values(embeddings.values, tokenizer.dim)
    result = tokenizer.quantised(torch.from_numpy(embeddings.values))
    tokenizer_hash = folder_hash(tokenizer_folder)
    codes, collision = _codes(embeddings.item_ids, tokenizer, result, before, tokenizer_hash)
    semantic_ids = SemanticIds.create(
        embeddings.item_ids,
        codes,
        collision,
        tokenizer.codebooks.float().numpy(),
        tokenizer_hash,
    )
    _, sizes = code_groups(codes)
    reconstruction = _reconstruction(codes, tokenizer)
    figures = {
        **code_diagnostics(codes, sizes, tokenizer.codes),
        "fvu": fvu(embeddings.values, reconstruction),
        "recall_at_10": neighbour_recall(embeddings.values, reconstruction),
        "purity": None if labels is None else cohort_purity(codes, labels),
        "collision_codes": semantic_ids.collision_codes,
        "tokenizer_hash": tokenizer_hash,
    }
    return Assigned(semantic_ids, figures, None if before is None else churn(semantic_ids, before))


def _previous(tokenizer_folder: Path | None, embeddings: EmbeddedItems, verdict: Verdict) -> Path:
    """Return the tokenizer to keep, or raise `TokenizerError` where it cannot take over."""
    width = embeddings.values.shape[1]
    if tokenizer_folder is None or load_tokenizer(tokenizer_folder).dim != width:
        raise _turned_down(verdict, None)
    return tokenizer_folder


def _turned_down(verdict: Verdict, previous: Verdict | None) -> TokenizerError:
    other = f" The one before: {' '.join(previous.objections)}" if previous else ""
    return TokenizerError(
        f"The gate turns the tokenizer down: {' '.join(verdict.objections)}{other}",
        where="tokenizer gate",
        allowed="a tokenizer that meets every rule, or one before it that reads these embeddings",
        do="Change the tokenizer's settings, or the rule under gate: in its configuration.",
    )


def _churn_figures(change: Churn | None) -> dict[str, Any]:
    return {
        "churn": None if change is None else change.ids,
        "churn_matched": None if change is None else list(change.prefixes),
        "items_known_before": 0 if change is None else change.items,
    }


def _codes(
    item_ids: pl.Series,
    tokenizer: Tokenizer,
    result: Quantised,
    before: SemanticIds | None,
    tokenizer_hash: str,
) -> tuple[Int[np.ndarray, "N K"], Int[np.ndarray, " N"]]:
    """Return codes and collision code of every item."""
    codes = result.codes.numpy()
    if tokenizer.settings.repair_collisions:
        last, others = tokenizer.codebooks[-1], tokenizer.codebooks[:-1]
        residual = result.latent.clone()
        for level, codebook in enumerate(others):
            residual -= codebook[result.codes[:, level]]
        order = item_ids.arg_sort().to_numpy().astype(np.int64)
        codes = repaired_codes(codes, residual.numpy(), last.numpy(), order)
    kept = None
    if before is not None and before.tokenizer_hash == tokenizer_hash:
        known = before.aligned(item_ids)
        old = known[:, -1] >= 0
        codes = np.where(old[:, None], known[:, :-1], codes)
        kept = known[:, -1]
    return codes, collision_codes(item_ids, codes, kept)


def _reconstruction(
    codes: Int[np.ndarray, "N K"], tokenizer: Tokenizer
) -> Float[np.ndarray, "N D"]:
    with torch.no_grad():
        indices = torch.from_numpy(codes)
        latent = sum(
            (book[indices[:, level]] for level, book in enumerate(tokenizer.codebooks)),
            start=torch.zeros(1, dtype=tokenizer.codebooks.dtype),
        )
        return tokenizer.decode(latent).float().numpy()


def _check_ids(item_ids: pl.Series) -> None:
    wrong = item_ids.is_null() | item_ids.is_duplicated()
    if wrong.any():
        five = item_ids.filter(wrong).head(5).to_list()
        raise TokenizerError(
            f"{int(wrong.sum())} item ids are null or stand twice, for example {five}.",
            where="item embeddings: item_ids",
            allowed="one row per item",
            do="Remove the extra rows.",
        )


def _summary(diagnostics: dict[str, Any]) -> dict[str, Scalar]:
    names = ("items", "levels", "codes", "fvu", "unique_rate", "largest_collision", "recall_at_10")
    summary: dict[str, Scalar] = {name: diagnostics[name] for name in names}
    for name in ("utilisation", "perplexity"):
        for level, value in enumerate(diagnostics[name]):
            summary[f"{name}_{level}"] = value
    for level, value in enumerate(diagnostics["purity"] or ()):
        summary[f"purity_{level}"] = value
    for level, value in enumerate(diagnostics["churn_matched"] or ()):
        summary[f"churn_matched_{level}"] = value
    for name in ("collision_codes", "churn", "tokenizer_hash"):
        summary[name] = diagnostics[name]
    summary["gate_approved"] = diagnostics["gate"]["approved"]
    return summary
