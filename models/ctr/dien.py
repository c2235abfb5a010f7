"""DIEN, Deep Interest Evolution Network (Zhou et al., AAAI 2019, arXiv:1809.03672).

Differs: ReLU for Dice in the head, and the trigger item is one more input; see docs/models/dien.md.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.lookup import take_rows
from models.layers.mlp import MLP, join
from models.layers.recurrent import GRU, StepLayout


class DIENConfig(ModelConfig):
    """Settings of `DIEN`.

    Attributes:
        head: Hidden layers of the head.
        auxiliary_weight: Weight α in ``L_target + α · L_aux``; 0 leaves the auxiliary loss out.
        use_trigger: Whether the trigger item is an input.
        dropout: Share of the head's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    auxiliary_weight: NonNegativeFloat = 1.0
    use_trigger: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class DIEN(TargetScorer):
    """A GRU extracts the interest behind each behaviour, an AUGRU follows the target's through."""

    config_type = DIENConfig

    def __init__(self, config: DIENConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width = self.items.width
        self.extractor = GRU(width, width)
        self.relevance = nn.Linear(width, width, bias=False)  # W of the attention
        self.evolution = GRU(width, width)
        inputs = self.user.width + (3 if config.use_trigger else 2) * width
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return click logits, and in training the weighted auxiliary loss."""
        histories = batch.jagged
        layout = StepLayout.of(histories.offsets)
        codes = histories.items[layout.index]
        table, (target_row, trigger_row, behaviour_row) = self.items.rows(
            targets, batch.trigger_item, codes
        )
        behaviours = take_rows(table, behaviour_row)  # E D, step by step
        interests = self.extractor(behaviours, layout)  # E D
        auxiliary = self.weighted(
            self.settings.auxiliary_weight,
            lambda: auxiliary_loss(interests, behaviours, codes, layout),
        )
        target = take_rows(table, target_row)  # T D
        if batch.size == 1:  # one history for all targets
            length = len(codes)
            layout = StepLayout.of(length * torch.arange(len(targets) + 1, device=codes.device))
            interests = take_rows(interests, layout.index % max(length, 1))
        final = self._evolve(interests, target, layout)
        parts = [self.user(batch), target, final]
        if self.settings.use_trigger:
            parts.append(take_rows(table, trigger_row))
        return Output(self.head(join(*parts)).squeeze(-1), auxiliary_loss=auxiliary)

    def _evolve(
        self, interests: Float[Tensor, "E D"], target: Float[Tensor, "T D"], layout: StepLayout
    ) -> Float[Tensor, "T D"]:
        """Return the last state of the interest in the target.

        ``a_t = softmax_t(h_t W e_a)``, and the AUGRU on the interests under these weights.
        """
        asked = take_rows(self.relevance(target), layout.rows)  # E D
        attention = layout.softmax((interests * asked).sum(-1))  # E
        return layout.last(self.evolution(interests, layout, attention))


def auxiliary_loss(
    interests: Float[Tensor, "E D"],
    behaviours: Float[Tensor, "E D"],
    codes: Int[Tensor, " E"],
    layout: StepLayout,
) -> Float[Tensor, ""]:
    """Return how badly interests tell the next behaviour from another one.

    ``L_aux = -log σ(h_t · e_{t+1}) - log(1 - σ(h_t · ê_{t+1}))``, the mean over
    all steps that have a next one. Negatives ê are behaviours drawn from the batch, so an item is
    drawn as often as it is liked, as in the authors' code; where the one drawn is the next
    behaviour itself, it is left out. It draws from torch's generator, which the trainer seeds.

    Args:
        interests: State of the extractor after every behaviour, step by step.
        behaviours: Embedding of every behaviour.
        codes: Item of every behaviour.
        layout: Whose they are, and in which order.
    """
    now, following = layout.successions()
    if not len(now):
        return interests.sum() * 0.0
    drawn = torch.randint(len(codes), now.shape, device=codes.device)
    other = codes[drawn] != codes[following]
    states = take_rows(interests, now)
    positive = F.softplus(-(states * take_rows(behaviours, following)).sum(-1))
    negative = F.softplus((states * take_rows(behaviours, drawn)).sum(-1)) * other
    return (positive + negative).mean()
