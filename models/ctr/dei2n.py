"""DEI2N, Deep Evolutional Instant Interest Network (Xiao et al., WSDM 2024, arXiv:2401.07769).

Built from the paper's published description; every assumption stands in docs/models/dei2n.md.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import Normalisation, TargetAttention
from models.layers.embedding import INITIAL_SCALE, ItemEmbedding, UserEmbedding
from models.layers.lookup import take_rows
from models.layers.mlp import MLP, join
from models.layers.trigger import TriggerCategory

MINUTE_S = 60
TIME_BUCKETS = 22
"""Under a minute, then one per power of two of minutes, the last from about two years on."""


class DEI2NConfig(ModelConfig):
    """Settings of `DEI2N`.

    Attributes:
        head: Hidden layers of the head.
        attention_hidden: Hidden units of the activation units.
        normalisation: What turns attention scores into weights.
        interest_hidden: Hidden layers of the instant interest network.
        time_dim: Width of the embedding of a behaviour's age.
        category_field: Side field that is the category; see `TriggerCategory`.
        dropout: Share of the head's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    interest_hidden: tuple[PositiveInt, ...] = (128, 64)
    time_dim: PositiveInt = 16
    category_field: str | None = None
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class DEI2N(TargetScorer):
    """What the trigger and what the target find in a timed history, by the instant interest."""

    config_type = DEI2NConfig

    def __init__(self, config: DEI2NConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.category = TriggerCategory(catalogue, config.category_field)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width, hidden = self.items.width, config.attention_hidden
        self.age = nn.Embedding(TIME_BUCKETS, config.time_dim)
        nn.init.normal_(self.age.weight, std=INITIAL_SCALE)
        self.timed = nn.Linear(width + config.time_dim, width)
        self.interest = MLP(self.user.width + 3 * width, config.interest_hidden, output=2)
        self.by_trigger, self.by_target, self.by_category = (
            TargetAttention(width, hidden, config.normalisation) for _ in range(3)
        )
        inputs = self.user.width + 6 * width
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side computed once."""
        histories, user = batch.jagged, self.user(batch)
        table, (target_row, trigger_row, history_row) = self.items.rows(
            targets, batch.trigger_item, histories.items
        )
        target, trigger = take_rows(table, target_row), take_rows(table, trigger_row)
        age = self.age(age_bucket(histories.ages()))
        keys = self.timed(torch.cat([take_rows(table, history_row), age], dim=-1))  # E D
        everything = torch.arange(len(keys), device=keys.device)
        by_trigger = self.by_trigger.jagged(trigger, keys, histories.offsets, everything)
        by_target = self.by_target.jagged(target, keys, histories.offsets, everything)
        alike, offsets = self.category.jagged(batch)
        by_category = self.by_category.jagged(target, keys, offsets, alike)
        share = self._instant_interest(batch, user, trigger)
        mixed = share[:, :1] * by_trigger + share[:, 1:] * by_target
        pair = (trigger - target, trigger * target)  # the interaction layer, with both themselves
        parts = (user, target, trigger, *pair, mixed, by_category)
        return Output(self.head(join(*parts)).squeeze(-1))

    def _instant_interest(
        self, batch: Batch, user: Float[Tensor, "B U"], trigger: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B 2"]:
        """Return how strong the interests in trigger and in target are, together one."""
        alike = self.category.padded(batch)
        total = self.items.mean(batch.history, alike) * alike.sum(-1, keepdim=True)
        return torch.softmax(self.interest(join(user, trigger, total, total * trigger)), dim=-1)


def age_bucket(age_s: Int[Tensor, " E"]) -> Int[Tensor, " E"]:
    """Return 0 under a minute, then 1 + ⌊log₂ minutes⌋, at most `TIME_BUCKETS` - 1."""
    edges = MINUTE_S * 2 ** torch.arange(TIME_BUCKETS - 1, device=age_s.device)
    return torch.bucketize(age_s, edges.to(age_s.dtype), right=True)
