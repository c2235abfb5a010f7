"""Cache policies that see the library: a step runs again when code it calls has changed.

ZenML's own key sees the step function alone; with thin steps, an edit in ``models/`` would be
answered by a cached result. A policy here adds a hash of the packages the step calls.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenml.config.cache_policy import CachePolicy

SOURCES = Path(__file__).resolve().parents[2]
GROUND = ("models/*.py", "steps/adapters/workspace.py")
BUILT = (".pyc", ".so")


@cache
def fingerprint(*patterns: str) -> str:
    """Return the hash of the source files that match ``patterns`` and of the ground they share."""
    found = {path for pattern in (*GROUND, *patterns) for path in SOURCES.glob(pattern)}
    files = sorted(path for path in found if path.is_file() and path.suffix not in BUILT)
    summary = hashlib.sha256()
    for path in files:
        summary.update(path.relative_to(SOURCES).as_posix().encode())
        summary.update(path.read_bytes())
    return summary.hexdigest()


def data_code() -> str:
    """Return the hash of what turns raw files into tables and examples."""
    return fingerprint("models/data/**/*.py")


def validation_code() -> str:
    """Return the hash of what validates tables."""
    return fingerprint(
        "models/data/**/*.py", "models/reports/**/*", "steps/adapters/*expectation*.py"
    )


def encoder_code() -> str:
    """Return the hash of what embeds items."""
    return fingerprint(
        "models/encoders/*.py",
        "models/native/*.py",
        "models/native/source/*",
        "models/data/schema.py",
        "models/data/tables.py",
    )


def intent_code() -> str:
    """Return the hash of what bins intents."""
    return fingerprint("models/intents/*.py", "models/data/*.py", "models/reports/**/*")


def tokenizer_code() -> str:
    """Return the hash of what trains tokenizers and assigns semantic IDs."""
    return fingerprint("models/tokenizers/*.py", "models/encoders/*.py", "models/reports/**/*")


def training_code() -> str:
    """Return the hash of what trains CTR models."""
    return fingerprint(
        "models/training/*.py",
        "models/ctr/*.py",
        "models/layers/*.py",
        "models/native/*.py",
        "models/native/source/*",
        "models/intents/*.py",
        "models/metrics/ranking.py",
        "models/data/*.py",
    )


def evaluation_code() -> str:
    """Return the hash of what scores, evaluates and compares models."""
    return fingerprint("models/**/*", "steps/adapters/release*.py", "steps/adapters/evaluation.py")


def benchmark_code() -> str:
    """Return the hash of what puts measured models into tables and figures."""
    return fingerprint(
        "models/assessment/benchmark*.py", "models/reports/**/*", "models/metrics/*.py"
    )


def drift_code() -> str:
    """Return the hash of what reports drift."""
    return fingerprint(
        "models/**/*", "steps/adapters/evidently*.py", "steps/adapters/evaluation.py"
    )


def release_code() -> str:
    """Return the hash of what packages and serves models."""
    return fingerprint("models/**/*.py", "steps/adapters/bento*.py", "steps/adapters/release*.py")


def on(code: str) -> "CachePolicy":
    """Return the policy of a step that calls what the function named ``code`` here hashes."""
    from zenml.config.cache_policy import CachePolicy

    return CachePolicy.model_validate({"cache_func": f"steps.adapters.caching.{code}"})
