"""How good semantic IDs are: reconstruction, use of the codes, collisions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from models.errors import CorruptArtifactError

DIAGNOSTICS_FILE = "diagnostics.json"


def fvu(values: Float[np.ndarray, "N D"], reconstruction: Float[np.ndarray, "N D"]) -> float:
    """Return the fraction of variance unexplained: squared error / squared distance to the mean."""
    values = values.astype(np.float64)
    variance = ((values - values.mean(axis=0)) ** 2).sum()
    error = ((values - reconstruction) ** 2).sum()
    return float(error / variance) if variance > 0 else 0.0


def unique_rate(codes: Int[np.ndarray, "N K"]) -> float:
    """Return the number of different code tuples per item; 1 where no two items collide."""
    return len(np.unique(codes, axis=0)) / max(len(codes), 1)


def perplexity(use: Int[np.ndarray, " V"]) -> float:
    """Return 2^entropy of the codes' use: how many codes, used equally, would say as much."""
    share = use[use > 0] / max(use.sum(), 1)
    return float(2 ** -(share * np.log2(share)).sum())


def code_diagnostics(
    codes: Int[np.ndarray, "N K"], sizes: Int[np.ndarray, " groups"], num_codes: int
) -> dict[str, Any]:
    """Return the JSON-able figures of a code table.

    Args:
        codes: Codes of every item, the collision code not counted.
        sizes: Number of items of each different code tuple.
        num_codes: Codewords of a level, V.
    """
    use = [np.bincount(column, minlength=num_codes) for column in codes.T]
    histogram = np.bincount(sizes)
    return {
        "items": len(codes),
        "levels": codes.shape[1],
        "codes": num_codes,
        "unique_rate": len(sizes) / max(len(codes), 1),
        "largest_collision": int(sizes.max(initial=0)),
        "collision_histogram": {
            str(size): int(count) for size, count in enumerate(histogram) if count
        },
        "utilisation": [float((counts > 0).mean()) for counts in use],
        "perplexity": [perplexity(counts) for counts in use],
        "usage": [counts.tolist() for counts in use],
    }


def tokenizer_diagnostics(folder: Path) -> dict[str, Any]:
    """Return the diagnostics of a semantic-IDs folder, for pages and figures.

    Keys: items, levels, codes, fvu, unique_rate (before the collision code), largest_collision,
    collision_histogram (size of a group of equal codes → number of such groups), and per level
    utilisation, perplexity and usage (items of each code); recall_at_10 of the reconstructions;
    purity: how often two items have one label, in the catalogue, under one first code, under the
    same first two and so on, or null without labels; churn against the previous IDs as they stand,
    and churn_matched, after codes are matched, for the first code, the first two and so on, or
    null; gate: approved and reasons; turned_down: hash of the tokenizer the gate held back.

    Raises:
        CorruptArtifactError: the folder holds no diagnostics.
    """
    try:
        return json.loads((folder / DIAGNOSTICS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptArtifactError(
            f"The diagnostics of the semantic IDs cannot be read: {error}.",
            where=str(folder / DIAGNOSTICS_FILE),
            do="Run assign_semantic_ids again.",
        ) from None
