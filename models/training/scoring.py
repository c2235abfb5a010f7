"""Scores of stored examples, in batches, on whatever device the model lies."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from models.ctr.base import CTRModel
from models.ctr.calibration import Calibration
from models.data.batch import Batch
from models.intents.labels import IntentLabels
from models.layers.shares import single_operations


@dataclass(frozen=True, slots=True)
class Scores:
    """Predictions for N examples, in the order of the rows asked for.

    Attributes:
        probability: Click probability, calibrated where the model is.
        logit: The model's raw logit.
        intent: Predicted distribution over the levels; ``None`` for models without one.
        true_intent: y_int of the example's request; ``None`` where no labels were given.
        has_intent: True where that request has a click; ``None`` where no labels were given.
    """

    probability: Float[np.ndarray, " N"]
    logit: Float[np.ndarray, " N"]
    intent: Float[np.ndarray, "N n"] | None
    true_intent: Float[np.ndarray, "N n"] | None = None
    has_intent: Bool[np.ndarray, " N"] | None = None


@runtime_checkable
class Examples(Protocol):
    """What can be scored: an example store, or a view of one in another model's codes."""

    @property
    def request(self) -> Int[np.ndarray, " E"]:
        """Request of each example."""
        ...

    def gather(self, rows: Int[np.ndarray, " N"]) -> Batch:
        """Return the examples at ``rows``."""
        ...


def score(
    model: CTRModel,
    store: Examples,
    rows: Int[np.ndarray, " N"],
    intents: IntentLabels | None = None,
    batch_size: int = 8192,
    calibration: Calibration | None = None,
) -> Scores:
    """Return the model's predictions for ``rows`` of the store.

    The intent labels hold the clicks. They never reach the model: they are only returned beside
    the predictions, for evaluation.

    Args:
        model: A model; put in evaluation mode for the time of the call.
        store: The example store.
        rows: Row numbers.
        intents: The true intents to return beside the predicted ones.
        batch_size: Examples a batch; it changes no score.
        calibration: The model's own, `LoadedModel.calibration`; the sigmoid without one.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits, predicted = [], []
    with torch.inference_mode(), single_operations(model.shares_rows):
        for start in range(0, len(rows), batch_size):
            batch = store.gather(rows[start : start + batch_size]).to(device)
            output = model.predict(batch)
            logits.append(output.logit.double().cpu().numpy())
            if output.intent is not None:
                predicted.append(output.intent.float().cpu().numpy())
    model.train(was_training)
    logit = np.concatenate(logits) if logits else np.zeros(0)
    requests = store.request[rows]
    return Scores(
        probability=(calibration or Calibration()).probability(logit),
        logit=logit,
        intent=np.concatenate(predicted) if predicted else None,
        true_intent=None if intents is None else intents.request_intent[requests],
        has_intent=None if intents is None else intents.has_intent[requests],
    )
