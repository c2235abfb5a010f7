"""Evaluation: arrays of labels and predictions in, an `Evaluation` out."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from models.errors import DataError
from models.metrics.calibration import (
    expected_calibration_error,
    normalised_entropy,
    reliability_curve,
    wilson_interval,
)
from models.metrics.intervals import paired_bootstrap, user_bootstrap
from models.metrics.ranking import check_labels, gauc, rela_impr, roc_curve
from models.reports.breakdown import group_tables
from models.reports.inputs import EvaluationInput
from models.reports.intent_fit import fit_intent
from models.reports.results import (
    Curve,
    Difference,
    Estimate,
    Evaluation,
    LevelShare,
    ReliabilityCurve,
    Rival,
    Role,
    known,
)

__all__ = ["Evaluation", "EvaluationInput", "evaluate"]

BOOTSTRAPPED = ("auc", "gauc", "log_loss")


def evaluate(
    data: EvaluationInput,
    *,
    base_probability: Float[ndarray, " N"] | None = None,
    champion_probability: Float[ndarray, " N"] | None = None,
    bootstrap: int = 200,
    seed: int = 0,
    base_name: str = "DIN",
    champion_name: str = "champion",
) -> Evaluation:
    """Return all metrics of a model, with intervals, beside a base and the champion.

    Args:
        data: Labels, predictions and what is known of each impression.
        base_probability: The base model's predictions for the same impressions.
        champion_probability: The production model's.
        bootstrap: Resamples of the users behind each interval; 0 leaves intervals out.
        seed: Seeds the resampling.
        base_name: What to call the base model.
        champion_name: What to call the production model.

    Raises:
        DataError: there are no examples, or an array has another length than the labels.
    """
    _check_lengths(data, base_probability, champion_probability)
    contestants: list[tuple[str, Role, ndarray | None]] = [
        (data.model, "model", data.probability),
        (base_name, "base", base_probability),
        (champion_name, "champion", champion_probability),
    ]
    scored: list[tuple[str, Role, ndarray]] = [
        (name, role, p) for name, role, p in contestants if p is not None
    ]
    rivals = {
        role: _rival(data, p, name, role, bootstrap, seed)
        for name, role, p in scored
        if role != "model"
    }
    counted = gauc(data.labels, data.probability, data.users)
    return Evaluation(
        model=data.model,
        examples=len(data.labels),
        users=len(np.unique(data.users)),
        requests=None if data.request is None else len(np.unique(data.request)),
        clicks=int(check_labels(data.labels).sum()),
        users_counted=counted.groups_counted,
        users_skipped=counted.groups_skipped,
        impressions_counted=counted.impressions_counted,
        metrics=_metrics(data, data.probability, bootstrap, seed),
        roc=[_roc(data, *line) for line in scored],
        reliability=[_reliability(data, *line) for line in scored],
        intent=fit_intent(data),
        levels=_levels(data),
        groups=group_tables(data, base_probability, bootstrap, seed),
        bootstrap=bootstrap,
        seed=seed,
        base=rivals.get("base"),
        champion=rivals.get("champion"),
    )


def _check_lengths(data: EvaluationInput, *others: ndarray | None) -> None:
    number = len(data.labels)
    if number == 0:
        raise DataError("There are no examples to evaluate.", do="Look at the split's dates.")
    given = {name: getattr(data, name) for name in data.__slots__ if name != "model"}
    given |= {f"rival {i}": values for i, values in enumerate(others)}
    for name, values in given.items():
        if values is not None and len(values) != number:
            raise DataError(
                f"{name} has {len(values)} entries for {number} labels.",
                where=name,
                do="Pass one entry an impression, in the order of the labels.",
            )


def _metrics(
    data: EvaluationInput, probability: Float[ndarray, " N"], bootstrap: int, seed: int
) -> dict[str, Estimate]:
    metrics = {
        name: Estimate.of(
            user_bootstrap(name, data.labels, probability, data.users, bootstrap, seed)
        )
        for name in BOOTSTRAPPED
    }
    ece = expected_calibration_error(data.labels, probability)
    entropy = normalised_entropy(data.labels, probability)
    metrics["ece"] = Estimate(value=known(ece))
    metrics["normalised_entropy"] = Estimate(value=known(entropy))
    return metrics


def _rival(
    data: EvaluationInput,
    probability: Float[ndarray, " N"],
    name: str,
    role: Role,
    *sampling: int,
) -> Rival:
    metrics = _metrics(data, probability, *sampling)
    pairs = paired_bootstrap(
        data.labels, data.probability, probability, data.users, *sampling, metrics=BOOTSTRAPPED
    )
    ours = {"gauc": gauc(data.labels, data.probability, data.users).value}
    ours["auc"] = user_bootstrap("auc", data.labels, data.probability, data.users, 0, 0).value
    return Rival(
        name=name,
        role=role,
        metrics=metrics,
        differences={
            metric: Difference(
                value=known(pair.value), low=known(pair.low), high=known(pair.high), p=known(pair.p)
            )
            for metric, pair in pairs.items()
        },
        rela_impr={
            metric: known(rela_impr(ours[metric], metrics[metric].value or 0.0))
            for metric in ("auc", "gauc")
        },
    )


def _roc(data: EvaluationInput, name: str, role: Role, probability: ndarray) -> Curve:
    false_rate, true_rate = roc_curve(data.labels, probability)
    if np.isnan(false_rate).any() or np.isnan(true_rate).any():
        return Curve(name=name, role=role, x=[], y=[])
    return Curve(name=name, role=role, x=false_rate.tolist(), y=true_rate.tolist())


def _reliability(
    data: EvaluationInput, name: str, role: Role, probability: ndarray
) -> ReliabilityCurve:
    curve = reliability_curve(data.labels, probability)
    return ReliabilityCurve(
        name=name,
        role=role,
        predicted=curve.predicted.tolist(),
        observed=curve.observed.tolist(),
        low=curve.low.tolist(),
        high=curve.high.tolist(),
        count=curve.count.tolist(),
    )


def _levels(data: EvaluationInput) -> list[LevelShare]:
    if data.level is None or not (data.level >= 0).any():
        return []
    present = data.level >= 0
    known_levels = 0 if data.y_int is None else data.y_int.shape[1]
    count = np.bincount(data.level[present], minlength=known_levels)
    clicked = check_labels(data.labels)[present]
    clicks = np.bincount(data.level[present], clicked, minlength=known_levels)
    rate = np.divide(clicks, count, out=np.zeros(len(count)), where=count > 0)
    low, high = wilson_interval(rate, np.maximum(count, 1))
    return [
        LevelShare(
            level=i,
            impressions=int(count[i]),
            share=float(count[i] / count.sum()),
            click_rate=Estimate(value=float(rate[i]), low=float(low[i]), high=float(high[i]))
            if count[i]
            else Estimate(value=None),
        )
        for i in range(len(count))
    ]
