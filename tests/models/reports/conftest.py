"""A shop whose truth is known, scored by three models of different strength."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from models.reports.evaluation import EvaluationInput

LEVELS = 6
TRUE_INTENT = {
    "specific": np.array([0.03, 0.05, 0.08, 0.14, 0.25, 0.45]),
    "broad": np.array([0.30, 0.26, 0.19, 0.13, 0.08, 0.04]),
}


@dataclass(frozen=True)
class Scene:
    data: EvaluationInput
    base: np.ndarray
    champion: np.ndarray


def make_scene(users: int = 400, seed: int = 7) -> Scene:
    random = np.random.default_rng(seed)
    per_user = 2 + random.poisson(4, users)
    request_user = np.repeat(np.arange(users), per_user)
    requests = len(request_user)
    request = np.repeat(np.arange(requests), 8)
    user = request_user[request]
    broad = random.random(users) < 0.5
    population = np.where(broad, "broad", "specific")
    intent = np.stack([TRUE_INTENT[name] for name in population])[user]
    level = random.integers(0, LEVELS, len(user))
    appeal = random.normal(0, 0.8, len(user))
    logit = -2.6 + appeal + 0.7 * np.log(intent[np.arange(len(user)), level] * LEVELS)
    label = (random.random(len(user)) < _sigmoid(logit)).astype(np.int8)
    y_int = np.zeros((requests, LEVELS))
    np.add.at(y_int, (request[label == 1], level[label == 1]), 1)
    clicks = y_int.sum(axis=1, keepdims=True)
    y_int = np.divide(y_int, clicks, out=np.zeros_like(y_int), where=clicks > 0)
    guess = intent * np.exp(random.normal(0, 0.25, intent.shape))
    data = EvaluationInput(
        labels=label,
        probability=_sigmoid(logit + random.normal(0, 0.35, len(user))),
        users=user,
        request=request,
        history_length=random.integers(0, 51, users)[user],
        item_train_count=random.geometric(0.03, len(user)) - 1,
        level=level,
        intent=guess / guess.sum(axis=1, keepdims=True),
        y_int=y_int[request],
        has_intent=clicks[request, 0] > 0,
        population=population[user],
        intent_diversity=np.where(broad, 3.0, 0.6)[user] + random.poisson(1, users)[user],
        volatility=random.beta(2, 2, users)[user],
        model="DAIAN",
    )
    return Scene(
        data=data,
        base=_sigmoid(logit * 0.75 - 0.2 + random.normal(0, 0.8, len(user))),
        champion=_sigmoid(logit + random.normal(0, 0.42, len(user))),
    )


def make_history() -> list[dict[str, object]]:
    """Rows like those of history.jsonl: the intent stage, the extraction stage, the joint one."""
    rows: list[dict[str, object]] = []
    for epoch in range(5):
        kl = 0.42 + 0.5 * math.exp(-epoch)
        rows.append(
            {"stage": "uim", "epoch": epoch, "train/loss": kl, "valid/intent_kl": kl + 0.03}
        )
    for stage, epochs, start in (("die", 4, 0.69), ("joint", 6, 0.755)):
        for epoch in range(epochs):
            auc = start + 0.01 * epoch - 0.0016 * epoch**2
            row = {"train/loss": 0.34 - 0.02 * epoch, "valid/auc": auc}
            rows.append({"stage": stage, "epoch": epoch, **row, "valid/log_loss": 0.5 - auc / 4})
    return rows


def _sigmoid(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


@pytest.fixture(scope="session")
def scene() -> Scene:
    return make_scene()


@pytest.fixture(scope="session")
def history() -> list[dict[str, object]]:
    return make_history()
