"""Training a tokenizer into a folder, and loading it again, bit by bit the same."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from models.artifacts import Scalar
from models.errors import CorruptArtifactError, TokenizerError
from models.files import write_text
from models.settings import parse_settings
from models.tokenizers.base import QuantizerSettings, Tokenizer
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.diagnostics import fvu, perplexity, unique_rate
from models.tokenizers.registry import TOKENIZERS

WEIGHTS_FILE = "tokenizer.safetensors"
FACTS_FILE = "tokenizer.json"
HISTORY_FILE = "history.jsonl"
FEWEST_ITEMS = 4


def train_tokenizer(
    values: Float[np.ndarray, "N D"], config: TokenizerConfig, folder: Path, *, seed: int
) -> dict[str, Scalar]:
    """Train the tokenizer that ``config`` names into ``folder`` and return its figures.

    Args:
        values: Item embeddings.
        config: Tokenizer and settings.
        folder: Receives tokenizer.safetensors, tokenizer.json and history.jsonl.
        seed: Decides everything random.

    Raises:
        TokenizerError: a vector is not finite or all zero, or there are too few different ones.
        UnknownNameError: no tokenizer has that name.
        ConfigError: a setting is wrong.
    """
    started = time.perf_counter()
    settings = tokenizer_settings(config)
    check_values(values)
    fitted, held_out = _split(torch.from_numpy(values).float(), settings, seed)
    codes = scaled_codes(settings, len(torch.unique(fitted, dim=0)))
    tokenizer, history = _fit(config, settings, fitted, codes, seed)
    facts = {
        "tokenizer": config.tokenizer,
        "settings": settings.model_dump(),
        "dim": values.shape[1],
        "codes": codes,
        "seed": seed,
    }
    save_file(
        {name: value.contiguous() for name, value in tokenizer.state_dict().items()},
        str(folder / WEIGHTS_FILE),
    )
    write_text(folder / FACTS_FILE, json.dumps(facts, indent=2) + "\n")
    write_text(folder / HISTORY_FILE, "".join(json.dumps(row) + "\n" for row in history))
    return {
        "items": len(values),
        "levels": settings.levels,
        "codes": codes,
        "codes_asked_for": settings.codes,
        "seconds": round(time.perf_counter() - started, 2),
        **_figures(tokenizer.double().eval(), fitted, held_out),
    }


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer in ``folder``, in float64, so that codes are the same on any machine.

    Raises:
        CorruptArtifactError: a file is missing, unreadable or does not fit the others.
    """
    try:
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        kind = TOKENIZERS[facts["tokenizer"]]
        settings = kind.settings_type.model_validate(facts["settings"])
        tokenizer = kind(settings, facts["dim"], facts["codes"])
        tokenizer.load_state_dict(load_file(str(folder / WEIGHTS_FILE)))
    except Exception as error:
        raise CorruptArtifactError(
            f"The tokenizer cannot be read: {str(error).splitlines()[0]}",
            where=str(folder),
            do="Run train_tokenizer again.",
        ) from None
    return tokenizer.double().eval()


def tokenizer_settings(config: TokenizerConfig) -> QuantizerSettings:
    """Return the checked settings of the tokenizer that ``config`` names."""
    kind = TOKENIZERS[config.tokenizer].settings_type
    return parse_settings(kind, config.settings, f"tokenizer {config.tokenizer}")


def scaled_codes(settings: QuantizerSettings, items: int) -> int:
    """Return V = min(codes, max(2, items // items_per_code)): small catalogues get small codebooks.

    Args:
        settings: Names ``codes`` and ``items_per_code``.
        items: Number of different embeddings.
    """
    return min(settings.codes, max(2, items // settings.items_per_code))


def check_values(values: Float[np.ndarray, "N D"], dim: int | None = None) -> None:
    """Raise `TokenizerError` unless the embeddings can be tokenised.

    Args:
        values: The embeddings.
        dim: The width that is wanted; ``None`` says that the embeddings are to be fitted, and so
            must be of different items.
    """
    if values.ndim != 2 or (dim is not None and values.shape[1] != dim):
        raise TokenizerError(
            f"The embeddings have shape {values.shape}.",
            where="item embeddings",
            allowed=f"(items, {dim or 'width'})",
            do="Embed the items with the encoder that the tokenizer was trained on.",
        )
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1) | ~np.any(values, axis=1))
    if wrong.size:
        raise TokenizerError(
            f"{wrong.size} embeddings are all zero or not finite, first rows {wrong[:5].tolist()}.",
            where="item embeddings",
            allowed="finite, non-zero vectors",
            do="Run embed_items again, or leave these items out.",
        )
    if dim is None and len(np.unique(values, axis=0)) < FEWEST_ITEMS:
        raise TokenizerError(
            f"There are fewer than {FEWEST_ITEMS} different embeddings among {len(values)} items.",
            where="item embeddings",
            allowed=f"at least {FEWEST_ITEMS} different items",
            do="Check that the item texts differ.",
        )


def _split(
    values: Float[Tensor, "N D"], settings: QuantizerSettings, seed: int
) -> tuple[Float[Tensor, "M D"], Float[Tensor, "H D"]]:
    """Return the items to fit on and those held out, in random order."""
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    kept = len(values) - int(len(values) * settings.holdout)
    most = settings.fit_items
    return values[order[:kept][:most]], values[order[kept:][:most]]


def _fit(
    config: TokenizerConfig,
    settings: Any,
    values: Float[Tensor, "N D"],
    codes: int,
    seed: int,
) -> tuple[Tokenizer, list[dict[str, float]]]:
    history: list[dict[str, float]] = []
    total = getattr(settings, "epochs", 0) + 1
    hidden = not sys.stderr.isatty()
    with (
        torch.random.fork_rng(devices=[]),
        tqdm(total=total, desc="train tokenizer", unit="epoch", disable=hidden) as bar,
    ):
        torch.manual_seed(seed)
        tokenizer: Tokenizer = TOKENIZERS[config.tokenizer](settings, values.shape[1], codes)

        def report(figures: dict[str, float]) -> None:
            history.append(figures)
            bar.update()

        tokenizer.fit(values, torch.Generator().manual_seed(seed), report)
    if not all(torch.isfinite(value).all() for value in tokenizer.state_dict().values()):
        raise TokenizerError(
            "The tokenizer's weights are no longer finite.",
            where=f"tokenizer {config.tokenizer}",
            do="Lower learning_rate in the tokenizer's settings.",
        )
    return tokenizer, history


def _figures(
    tokenizer: Tokenizer, fitted: Float[Tensor, "M D"], held_out: Float[Tensor, "H D"]
) -> dict[str, Scalar]:
    """Return error, uniqueness and use of the codes on fitted and held-out items."""
    figures: dict[str, Scalar] = {}
    for name, values in (("fitted", fitted), ("held_out", held_out)):
        if len(values) < 2:
            continue
        result = tokenizer.quantised(values)
        codes = result.codes.numpy()
        figures[f"{name}/fvu"] = fvu(values.numpy(), result.reconstruction.numpy())
        figures[f"{name}/unique_rate"] = unique_rate(codes)
        for level in range(codes.shape[1]):
            use = np.bincount(codes[:, level], minlength=tokenizer.codes)
            figures[f"{name}/perplexity_{level}"] = perplexity(use)
            figures[f"{name}/utilisation_{level}"] = float((use > 0).mean())
    return figures
