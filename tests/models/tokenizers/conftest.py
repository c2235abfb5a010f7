"""Embeddings with the structure tokenizers live on: clusters, and a common direction."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from models.tokenizers.config import TokenizerConfig
from models.tokenizers.training import train_tokenizer


class Embedded(NamedTuple):
    """Items and their embeddings, as an embeddings folder holds them."""

    item_ids: pl.Series
    values: np.ndarray


@pytest.fixture(scope="session")
def embedded() -> Embedded:
    return make_embedded(600)


@pytest.fixture(scope="session")
def trained(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of a tokenizer trained once: ``trained("rqvae")``."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            train_tokenizer(embedded.values, config(name), made[name], seed=0)
        return made[name]

    return folder


def config(name: str, **settings: object) -> TokenizerConfig:
    quick = {"latent_dim": 12, "hidden_dim": 32, "epochs": 3, "batch_size": 64}
    small = {"codes": 16, **(quick if name == "rqvae" else {})}
    return TokenizerConfig(tokenizer=name, settings={**small, **settings})


def make_embedded(items: int, seed: int = 0) -> Embedded:
    random = np.random.default_rng(seed)
    themes = random.normal(size=(8, 24))[random.integers(0, 8, items)]
    kinds = 0.5 * random.normal(size=(40, 24))[random.integers(0, 40, items)]
    values = 1 + themes + kinds + 0.2 * random.normal(size=(items, 24))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Embedded(pl.Series("item_id", range(1000, 1000 + items)), values.astype(np.float32))
