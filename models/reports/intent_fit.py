"""Predicted against true intent, by population (DAIAN 5.2 (4), Figure 5)."""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from models.metrics.intent import js_divergence, mean_intent, mean_level
from models.reports.inputs import EvaluationInput
from models.reports.results import IntentFit, PopulationIntent, known


def fit_intent(data: EvaluationInput) -> IntentFit | None:
    """Return the fit over requests with a click; None where intents are not predicted or known."""
    if data.intent is None or data.y_int is None:
        return None
    rows = _one_row_a_request(data)
    if not len(rows):
        return None
    predicted, true = data.intent[rows], data.y_int[rows]
    users = data.users[rows]
    average = mean_intent(true)
    populations = _populations(data, rows, users, true)
    return IntentFit(
        levels=true.shape[1],
        requests=len(rows),
        js=known(float(js_divergence(mean_intent(predicted), average))),
        js_per_request=known(float(np.mean(js_divergence(predicted, true)))),
        populations_known=data.population is not None,
        populations=[
            _population(name, users[chosen], true[chosen], predicted[chosen], average)
            for name, chosen in populations.items()
            if chosen.any()
        ],
    )


def _one_row_a_request(data: EvaluationInput) -> Int[ndarray, " R"]:
    """Return the first impression of each request that has a true intent."""
    has = np.ones(len(data.labels), dtype=bool) if data.has_intent is None else data.has_intent
    rows = np.flatnonzero(has)
    if data.request is None:
        return rows
    _, first = np.unique(data.request[rows], return_index=True)
    return rows[np.sort(first)]


def _populations(
    data: EvaluationInput,
    rows: Int[ndarray, " R"],
    users: Shaped[ndarray, " R"],
    true: Float[ndarray, "R n"],
) -> dict[str, Bool[ndarray, " R"]]:
    """Return which requests belong to which population, known or split by the true intent."""
    if data.population is not None:
        names = data.population[rows].astype(str)
        return {str(name): names == name for name in np.unique(names)[::-1]}
    _, codes = np.unique(users, return_inverse=True)
    level = np.bincount(codes, mean_level(true)) / np.bincount(codes)
    specific = level > np.median(level)
    return {"specific": specific[codes], "broad": ~specific[codes]}


def _population(
    name: str,
    users: Shaped[ndarray, " r"],
    true: Float[ndarray, "r n"],
    predicted: Float[ndarray, "r n"],
    average: Float[ndarray, " n"],
) -> PopulationIntent:
    truth, prediction = mean_intent(true), mean_intent(predicted)
    return PopulationIntent(
        name=name,
        users=len(np.unique(users)),
        requests=len(users),
        true=truth.tolist(),
        predicted=prediction.tolist(),
        js=known(float(js_divergence(truth, prediction))),
        js_of_average=known(float(js_divergence(truth, average))),
    )
