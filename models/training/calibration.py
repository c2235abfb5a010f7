"""Fits the curve from logits to probabilities on the validation rows, after training.

Platt: logistic regression on the logit (Platt, 1999). Isotonic: the best never-falling curve
(Zadrozny and Elkan, KDD 2002).
"""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import isotonic_regression
from scipy.special import expit

from models.artifacts import Scalar
from models.ctr.calibration import Calibration
from models.ctr.config import TrainingConfig
from models.data.store import ExampleStore
from models.errors import ConfigError
from models.metrics.calibration import expected_calibration_error
from models.metrics.ranking import log_loss

_NEWTON_STEPS = 50
_CONVERGED = 1e-12


def fit_calibration(
    uncalibrated: Calibration,
    method: str,
    logit: Float[np.ndarray, " N"],
    clicked: Bool[np.ndarray, " N"],
) -> Calibration:
    """Return ``uncalibrated`` with the curve of ``method`` fitted.

    Args:
        uncalibrated: The corrections, without a curve.
        method: ``platt``, ``isotonic`` or ``none``.
        logit: Raw logits of the validation rows.
        clicked: Their labels.
    """
    if method == "none":
        return uncalibrated
    shifted = logit.astype(np.float64) + uncalibrated.train_offset
    if method == "platt":
        slope, intercept = fit_platt(shifted, clicked)
        curve: dict[str, object] = {"slope": slope, "intercept": intercept}
    else:
        points, values = fit_isotonic(shifted, clicked)
        curve = {"logits": tuple(points.tolist()), "values": tuple(values.tolist())}
    fitted = Calibration.model_validate(
        uncalibrated.model_dump() | {"method": method} | curve,
    )
    figures = {
        f"valid/{name}_{when}": metric(clicked, calibration.curve(logit))
        for when, calibration in (("before", uncalibrated), ("after", fitted))
        for name, metric in (("log_loss", log_loss), ("ece", expected_calibration_error))
    }
    return fitted.model_copy(update={"figures": figures})


def fit_platt(
    logit: Float[np.ndarray, " N"], clicked: Bool[np.ndarray, " N"]
) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of the clicks on the logit.

    Newton's method in float64 on Platt's targets, (N+ + 1) / (N+ + 2) and 1 / (N- + 2) in place of
    1 and 0, which keep the solution finite. A slope that is not positive would reverse the ranking:
    then it stays 1, and the intercept alone is fitted.
    """
    clicks = int(clicked.sum())
    target = np.where(clicked, (clicks + 1) / (clicks + 2), 1 / (len(clicked) - clicks + 2))
    features = np.stack([logit, np.ones_like(logit)], axis=1)
    fixed = np.zeros_like(logit)
    slope, intercept = _newton(features, fixed, target)
    if slope > 0:
        return slope, intercept
    return 1.0, _newton(features[:, 1:], logit, target)[0]


def fit_isotonic(
    logit: Float[np.ndarray, " N"], clicked: Bool[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """Return the points of the never-falling curve of least squares, one or two a level.

    Probabilities stay half an example away from 0 and 1: N rows cannot tell them from less.
    """
    points, place, count = np.unique(logit, return_inverse=True, return_counts=True)
    share = np.bincount(place, clicked) / count
    fitted = isotonic_regression(share, weights=count.astype(np.float64))
    first, last = fitted.blocks[:-1], fitted.blocks[1:] - 1
    ends = np.unique(np.concatenate([first, last]))
    margin = 0.5 / len(logit)
    return points[ends], np.clip(fitted.x[ends], margin, 1.0 - margin)


def corrections(config: TrainingConfig, summary: Mapping[str, Scalar]) -> Calibration:
    """Return what the training's weights and the samplings do to probabilities, without a curve.

    Args:
        config: The training settings.
        summary: The store's counts, where ``log_negative_rate: store`` looks for the rate.

    Raises:
        ConfigError: the rate is to come from the store, which has none.
    """
    return Calibration(
        train_offset=math.log(config.keep_negatives) - math.log(config.positive_weight),
        log_negative_rate=_log_rate(config, summary),
    )


def check_calibration(config: TrainingConfig, store: ExampleStore) -> None:
    """Raise `ConfigError` where a curve is asked for and the validation rows cannot give one."""
    if config.calibration == "none":
        return
    labels = np.asarray(store.label)[store.rows("valid")]
    if not 0 < int(labels.sum()) < len(labels):
        raise ConfigError(
            f"A calibration is fitted on clicks and non-clicks of the valid split, which has"
            f" {int(labels.sum())} clicks in {len(labels)} examples.",
            where=f"training.calibration: {config.calibration}",
            allowed="a valid split with both classes",
            do="Give the valid split a share of the log, or set training.calibration: none.",
        )


def _log_rate(config: TrainingConfig, summary: Mapping[str, Scalar]) -> float:
    if config.log_negative_rate != "store":
        return config.log_negative_rate or 1.0
    rate = summary.get("negative_rate")
    if not isinstance(rate, int | float) or not 0 < rate <= 1:
        raise ConfigError(
            f"The example store tells no rate at which non-clicks were kept: {rate!r}.",
            where="training.log_negative_rate: store",
            allowed="a store whose summary has a negative_rate above 0 and up to 1",
            do="Give the rate itself, for example training.log_negative_rate: 0.1.",
        )
    return float(rate)


def _newton(
    features: Float[np.ndarray, "N P"],
    fixed: Float[np.ndarray, " N"],
    target: Float[np.ndarray, " N"],
) -> list[float]:
    """Return the weights of least cross entropy on ``target``; ``fixed`` is added to the logit."""
    weights = np.zeros(features.shape[1])
    loss = _cross_entropy(fixed, target)
    for _ in range(_NEWTON_STEPS):
        probability = expit(features @ weights + fixed)
        gradient = features.T @ (probability - target)
        curvature = features.T @ (features * (probability * (1 - probability))[:, None])
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        scale, tried = 1.0, _cross_entropy(features @ (weights - step) + fixed, target)
        while tried > loss and scale > _CONVERGED:
            scale /= 2
            tried = _cross_entropy(features @ (weights - scale * step) + fixed, target)
        if tried >= loss:
            break
        weights, gain, loss = weights - scale * step, loss - tried, tried
        if gain < _CONVERGED:
            break
    return weights.tolist()


def _cross_entropy(logit: Float[np.ndarray, " N"], target: Float[np.ndarray, " N"]) -> float:
    return float((np.logaddexp(0.0, logit) - target * logit).mean())
