"""What a stage trains on: its rows, its batches, its loss."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.ctr.base import CTRModel, Stage
from models.ctr.config import TrainingConfig
from models.data.batch import Batch
from models.data.examples import ExampleStore
from models.errors import TrainingError
from models.intents.labels import IntentLabels
from models.training.scoring import Examples

TRAIN = 0
Loss = Callable[..., Tensor]
_THINNING = 1_000_003  # keeps these draws apart from those of the order of the rows


def stage_rows(
    stage: Stage, store: ExampleStore, intents: IntentLabels | None, split: str
) -> Int[np.ndarray, " R"]:
    """Return the rows of ``split`` that take part in ``stage``.

    A stage that reads y_int has only the requests with a click. In train, requests that reach
    into a later split are left out, as their y_int counts clicks of that split. The intent loss
    has one row, the first, of each request.

    Raises:
        TrainingError: the stage reads intents and there are none.
    """
    rows = store.rows(split)  # pyright: ignore[reportArgumentType]
    if stage.loss == "click" and not stage.true_intent:
        return rows
    if intents is None:
        raise TrainingError(
            f"Stage {stage.name!r} learns from intent labels, and there are none.",
            do="Run bin_intents first, or set uim: false in the model's settings.",
        )
    request = np.asarray(store.request)
    usable = np.array(intents.has_intent, dtype=bool)
    if split == "train":
        usable[request[np.asarray(store.split) != TRAIN]] = False
    rows = rows[usable[request[rows]]]
    if split == "train" and not rows.size:
        raise TrainingError(
            f"Stage {stage.name!r} learns from intent labels, and no train request has a click on"
            " an item whose likeness to the trigger is known.",
            allowed="impressions with triggers, trigger and target with content",
            do="Set trigger: derived in the data set's examples, or uim: false in the model's"
            " settings.",
        )
    if stage.loss == "intent_kl":
        rows = rows[np.sort(np.unique(request[rows], return_index=True)[1])]
    return rows


def thin_negatives(
    rows: Int[np.ndarray, " R"], store: ExampleStore, share: float, seed: int
) -> Int[np.ndarray, " K"]:
    """Return ``rows`` with each non-click kept with probability ``share``, the same every time."""
    if share == 1.0:
        return rows
    kept = np.random.default_rng([seed, _THINNING]).random(len(rows)) < share
    return rows[kept | (np.asarray(store.label)[rows] == 1)]


def stage_batch(
    stage: Stage,
    store: Examples,
    intents: IntentLabels | None,
    rows: Int[np.ndarray, " B"],
) -> Batch:
    """Return the batch of ``rows``, with intent labels where the stage reads them."""
    batch = store.gather(rows)
    if intents is None or (stage.loss == "click" and not stage.true_intent):
        return batch
    return intents.attach(batch, np.asarray(store.request)[rows])


def stage_loss(
    stage: Stage, model: CTRModel, batch: Batch, positive_weight: float = 1.0
) -> Float[Tensor, ""]:
    """Return the mean loss of a batch: cross entropy (Eq. 20, 21) or D(y_int ‖ E_int) (Eq. 19).

    A click counts ``positive_weight`` times in the cross entropy, and a model's auxiliary loss is
    added to it.
    """
    if stage.loss == "intent_kl":
        return intent_divergence(model.intent(batch), batch).mean()
    output = model.predict(batch, true_intent=stage.true_intent)
    weight = None
    if positive_weight != 1.0:
        weight = torch.full((), positive_weight, device=batch.label.device)
    logit = output.logit.float()
    loss = F.binary_cross_entropy_with_logits(logit, batch.label, pos_weight=weight)
    return loss if output.auxiliary_loss is None else loss + output.auxiliary_loss


def intent_divergence(intent: Float[Tensor, "B n"] | None, batch: Batch) -> Float[Tensor, " B"]:
    """Return D(y_int ‖ E_int) in nats of each impression, E_int being ``intent`` (Eq. 19)."""
    if intent is None or batch.intent is None:
        raise TrainingError(
            "A stage with the intent loss needs a model that predicts intent, and its labels.",
            do="Check the stages of the model: see docs/how-to/add-a-model.md.",
        )
    predicted = intent.float().clamp_min(torch.finfo(torch.float32).tiny)
    return (torch.xlogy(batch.intent, batch.intent) - batch.intent * predicted.log()).sum(-1)


def compiled(loss: Loss, config: TrainingConfig) -> Loss:
    """Return the loss, compiled as the settings ask."""
    if config.cuda_graphs:
        return torch.compile(loss, mode="reduce-overhead")
    return torch.compile(loss, dynamic=True) if config.compile else loss
