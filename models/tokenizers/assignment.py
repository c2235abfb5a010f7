"""Items → semantic IDs, by a frozen tokenizer."""

import json
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
from models.tokenizers.collisions import code_groups, collision_codes, repaired_codes
from models.tokenizers.diagnostics import DIAGNOSTICS_FILE, code_diagnostics, fvu
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


def assign_semantic_ids(
    embeddings: EmbeddedItems,
    tokenizer_folder: Path,
    folder: Path,
    *,
    previous: Path | None = None,
) -> dict[str, Scalar]:
    """Write the semantic IDs of the items into ``folder`` and return their figures.

    Writes semantic_ids.parquet (item_id, code_0 … code_{K-1}, collision), cohorts.parquet (level,
    code, item_ids), codebooks.safetensors, semantic_ids.json and diagnostics.json.

    Args:
        embeddings: The items, encoded as those that the tokenizer was trained on.
        tokenizer_folder: The frozen tokenizer.
        folder: Receives the files.
        previous: Semantic IDs made before. Where the same tokenizer made them, their items keep
            their IDs and only new items get some; churn against them is reported in any case.

    Raises:
        TokenizerError: an id stands twice, or an embedding is of another width, not finite or zero.
        CorruptArtifactError: the tokenizer or the previous IDs cannot be read.
    """
    _check_ids(embeddings.item_ids)
    tokenizer = load_tokenizer(tokenizer_folder)
    check_values(embeddings.values, tokenizer.dim)
    result = tokenizer.quantised(torch.from_numpy(embeddings.values))
    before = SemanticIds.open(previous) if previous is not None else None
    tokenizer_hash = folder_hash(tokenizer_folder)
    codes, collision = _codes(embeddings.item_ids, tokenizer, result, before, tokenizer_hash)
    semantic_ids = SemanticIds.create(
        embeddings.item_ids,
        codes,
        collision,
        tokenizer.codebooks.float().numpy(),
        tokenizer_hash,
    )
    semantic_ids.save(folder)
    _, sizes = code_groups(codes)
    diagnostics = {
        **code_diagnostics(codes, sizes, tokenizer.codes),
        "fvu": _fvu(embeddings.values, codes, tokenizer),
        "collision_codes": semantic_ids.collision_codes,
        "churn": semantic_ids.churn(before) if before is not None else None,
        "tokenizer_hash": tokenizer_hash,
    }
    write_text(folder / DIAGNOSTICS_FILE, json.dumps(diagnostics) + "\n")
    return _summary(diagnostics)


def folder_hash(tokenizer_folder: Path) -> str:
    """Return the hash a tokenizer is known by: its artifact's, else that of its files."""
    if (tokenizer_folder / MANIFEST).is_file():
        return read_manifest(tokenizer_folder).content_hash
    return digest([file_hash(tokenizer_folder / name) for name in (FACTS_FILE, WEIGHTS_FILE)])


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


def _fvu(
    values: Float[np.ndarray, "N D"], codes: Int[np.ndarray, "N K"], tokenizer: Tokenizer
) -> float:
    with torch.no_grad():
        indices = torch.from_numpy(codes)
        latent = sum(
            (book[indices[:, level]] for level, book in enumerate(tokenizer.codebooks)),
            start=torch.zeros(1, dtype=tokenizer.codebooks.dtype),
        )
        return fvu(values, tokenizer.decode(latent).numpy())


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
    names = ("items", "levels", "codes", "fvu", "unique_rate", "largest_collision")
    summary: dict[str, Scalar] = {name: diagnostics[name] for name in names}
    for name in ("utilisation", "perplexity"):
        for level, value in enumerate(diagnostics[name]):
            summary[f"{name}_{level}"] = value
    summary["collision_codes"] = diagnostics["collision_codes"]
    summary["churn"] = diagnostics["churn"]
    summary["tokenizer_hash"] = diagnostics["tokenizer_hash"]
    return summary
