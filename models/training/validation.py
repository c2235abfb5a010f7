"""A stage's figures on the validation rows, after every epoch."""

import math

import numpy as np
import torch
from jaxtyping import Int, Shaped
from scipy.special import expit

from models.ctr.base import CTRModel, Stage
from models.intents.labels import IntentLabels
from models.layers.shares import single_operations
from models.metrics.ranking import auc, log_loss
from models.training.scoring import Examples
from models.training.stages import intent_divergence, stage_batch

BATCH_SIZE = 8192


def validate_stage(
    stage: Stage,
    model: CTRModel,
    store: Examples,
    intents: IntentLabels | None,
    rows: Int[np.ndarray, " R"],
    labels: Shaped[np.ndarray, " R"],
    offset: float = 0.0,
) -> dict[str, float | None]:
    """Return ``valid/auc`` and ``valid/log_loss``, or ``valid/intent_kl``; ``None`` if undefined.

    Args:
        stage: Its loss decides the figures.
        model: Put in evaluation mode for the time of the call.
        store: The example store, or its twin on a device.
        intents: The intent labels, where the stage reads them.
        rows: Validation rows of the stage.
        labels: Their labels.
        offset: Added to the logits before the log loss: what corrects the weights and samplings
            of the training rows, which the validation rows have not.
    """
    if not rows.size:
        return {stage.monitor: None}
    device = next(model.parameters()).device
    model.eval()
    collected = []
    with torch.inference_mode(), single_operations(model.shares_rows):
        for start in range(0, len(rows), BATCH_SIZE):
            chunk = rows[start : start + BATCH_SIZE]
            batch = stage_batch(stage, store, intents, chunk).to(device)
            if stage.loss == "click":
                value = model.predict(batch, true_intent=stage.true_intent).logit
            else:
                value = intent_divergence(model.intent(batch), batch)
            collected.append(value.double().cpu().numpy())
    model.train()
    values = np.concatenate(collected)
    if stage.loss == "intent_kl":
        return {"valid/intent_kl": _defined(values.mean())}
    probabilities = expit(values + offset)
    return {
        "valid/auc": _defined(auc(labels, values)),
        "valid/log_loss": _defined(log_loss(labels, probabilities)),
    }


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
