"""What every CTR model offers: a logit per impression, its training stages, request scoring."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.settings import Settings


class ModelConfig(Settings):
    """Settings every model has; each model adds its own.

    Attributes:
        embedding_dim: Width of one id or field embedding.
        embedding_scale: Standard deviation of the initial weights of id and field tables.
    """

    embedding_dim: PositiveInt = 16
    embedding_scale: PositiveFloat = 0.01


def require_multiple(name: str, width: int, heads: int) -> None:
    """Raise `ValueError` where ``heads`` heads cannot share a width evenly."""
    if width % heads:
        raise ValueError(f"{name} {width} is no multiple of heads {heads}")


@dataclass(slots=True)
class Output:
    """What a model predicts.

    Attributes:
        logit: Click logit of each impression.
        intent: Predicted distribution over the similarity levels, where the model has one; a
            single row when the candidates of one request were scored.
        auxiliary_loss: What the model adds to the click loss in training, weighted; ``None`` from
            a model without, and in evaluation.
    """

    logit: Float[Tensor, " B"]
    intent: Float[Tensor, "R n"] | None = None  # R = B, or 1 for the candidates of one request
    auxiliary_loss: Float[Tensor, ""] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training: what is learnt, from which loss, at which rates.

    Attributes:
        name: What progress bars and curves call it.
        loss: ``click`` is cross entropy on the label; ``intent_kl`` is D(y_int ‖ E_int), each
            request counted once.
        true_intent: The model reads y_int in place of its own estimate (DAIAN Eq. 20). Only
            requests with a click take part, as others have none.
        train: Prefixes of the parameters that learn; ``""`` is all of them.
        lr_scale: Prefix to factor on the learning rate; the longest matching prefix counts.
        epochs: Epochs at most; ``None`` takes the training's ``max_epochs``.
        batch_size: Rows a step; ``None`` takes the training's.
        monitor: The validation figure that decides which epoch's weights are kept.
    """

    name: str
    loss: Literal["intent_kl", "click"] = "click"
    true_intent: bool = False
    train: tuple[str, ...] = ("",)
    lr_scale: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    batch_size: int | None = None
    monitor: Literal["valid/auc", "valid/intent_kl"] = "valid/auc"


class CTRModel(nn.Module, ABC):
    """Base of all CTR models: the constructor takes the model's settings and the catalogue.

    Attributes:
        config_type: The model's settings.
        shares_rows: Whether whatever is large in the model is worked off in shares of rows
            (`models.layers.shares`), so that its other operations do not wake threads on a CPU.
    """

    config_type: ClassVar[type[ModelConfig]] = ModelConfig
    shares_rows: bool = False

    def __init__(self, config: ModelConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config: ModelConfig = config
        self.spec = catalogue.spec

    @abstractmethod
    def predict(self, batch: Batch, *, true_intent: bool = False) -> Output:
        """Return logits and what else the model predicts.

        Args:
            batch: Impressions.
            true_intent: Read ``batch.intent`` in place of the model's estimate. It holds the
                label: for pre-training only, never for scores.
        """

    def forward(self, batch: Batch) -> Float[Tensor, " B"]:
        """Return the click logit of each impression."""
        return self.predict(batch).logit

    def intent(self, batch: Batch) -> Float[Tensor, "B n"] | None:
        """Return the predicted intents alone; a model overrides it where they cost less alone."""
        return self.predict(batch).intent

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of training, in order; one on all parameters unless overridden."""
        return (Stage("joint"),)

    def weighted(
        self, weight: float, loss: Callable[[], Float[Tensor, ""]]
    ) -> Float[Tensor, ""] | None:
        """Return a loss times its weight, for `Output.auxiliary_loss`.

        Args:
            weight: Its share beside the click loss; 0 turns it off.
            loss: Computes it; called in training alone, and never at weight 0.
        """
        return weight * loss() if self.training and weight else None

    def score_candidates(self, request: Batch, candidates: Int[Tensor, " C"]) -> Output:
        """Return the logit of each candidate in one request.

        This form repeats the request for every candidate; models whose user side does not depend
        on the target override it and compute that side once.

        Args:
            request: A batch of one impression, whose target is ignored.
            candidates: Item codes.
        """
        rows = torch.zeros_like(candidates, dtype=torch.long)
        repeated = {
            item.name: value[rows]
            for item in fields(request)
            if (value := getattr(request, item.name)) is not None
        }
        return self.predict(replace(request, **(repeated | {"target_item": candidates})))


class TargetScorer(CTRModel):
    """A model that is one function of requests and their targets: `score_targets` is all of it.

    The same code then serves training, where each impression brings its own target, and requests,
    where one user meets many. Base of all models that predict no distribution over intent levels,
    so ``true_intent`` of `predict` is ignored.
    """

    @abstractmethod
    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the logit of each target, the user side computed once a row of the batch.

        Args:
            batch: Impressions whose ``target_item`` is not read.
            targets: Item codes: one an impression, or any number for the one request of a batch
                of size 1.
        """

    def predict(self, batch: Batch, *, true_intent: bool = False) -> Output:
        """Return the logits of the impressions; ``true_intent`` is ignored."""
        return self.score_targets(batch, batch.target_item)

    def score_candidates(self, request: Batch, candidates: Int[Tensor, " C"]) -> Output:
        """Return the logit of each candidate in one request, the user side computed once."""
        return self.score_targets(request, candidates)
