"""How well a predicted intent distribution fits the true one (DAIAN 5.2 (4))."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from models.errors import DataError


def js_divergence(p: Float[ndarray, "*rows n"], q: Float[ndarray, "*rows n"]) -> float | ndarray:
    """Return the Jensen-Shannon divergence along the last axis, in bits: 0 equal, 1 disjoint.

    Rows are normalised first, so counts may be passed; a row of zeros gives nan.

    Args:
        p: Distributions, or counts.
        q: Distributions of the same shape.

    Returns:
        A float for single distributions, else an array with the leading axes.

    Raises:
        DataError: an entry is negative or not finite.
    """
    first, second = _normalised(p), _normalised(q)
    middle = (first + second) / 2
    divergence = (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2
    divergence = np.clip(divergence, 0.0, 1.0)
    return float(divergence) if divergence.ndim == 0 else divergence


def mean_intent(
    intents: Float[ndarray, "N n"], mask: Bool[ndarray, " N"] | None = None
) -> Float[ndarray, " n"]:
    """Return the mean of the intent distributions where ``mask`` holds; nan if it never does."""
    chosen = intents if mask is None else intents[mask]
    if not len(chosen):
        return np.full(intents.shape[1], np.nan)
    return chosen.astype(np.float64).mean(axis=0)


def mean_level(intents: Float[ndarray, "N n"]) -> Float[ndarray, " N"]:
    """Return the expected level of each intent: 0 = least like the trigger, n - 1 = most."""
    return _normalised(intents) @ np.arange(intents.shape[1])


def intent_entropy(intents: Float[ndarray, "N n"]) -> Float[ndarray, " N"]:
    """Return the entropy of each intent in bits: 0 = one level only, log2 n = all alike."""
    values = _normalised(intents)
    return -(values * np.log2(values, out=np.zeros_like(values), where=values > 0)).sum(axis=-1)


def _normalised(values: Float[ndarray, "*rows n"]) -> Float[ndarray, "*rows n"]:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all() or (values < 0).any():
        raise DataError(
            "A distribution over intent levels holds a negative or non-finite entry.",
            allowed="numbers from 0 on",
            do="Pass softmax outputs or counts, not logits.",
        )
    total = values.sum(axis=-1, keepdims=True)
    return np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)


def _relative_entropy(p: Float[ndarray, "*rows n"], q: Float[ndarray, "*rows n"]) -> ndarray:
    """KL(p || q) in bits, with 0 log 0 = 0; nan rows stay nan."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=(p > 0) & (q > 0))
    return np.asarray((p * np.log2(ratio)).sum(axis=-1))
