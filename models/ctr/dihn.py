"""DIHN, Deep Interest Highlight Network (Shen et al., WWW 2022, arXiv:2202.08959).

Built from the paper's published description; every assumption stands in docs/models/dihn.md.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from models.ctr.base import ModelConfig, Output, TargetScorer, require_multiple
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import MultiHeadSelfAttention, Normalisation, TargetAttention
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.lookup import mean_rows, take_rows
from models.layers.mlp import MLP, join
from models.layers.trigger import TriggerCategory


class DIHNConfig(ModelConfig):
    """Settings of `DIHN`.

    Attributes:
        head: Hidden layers of the head.
        attention_hidden: Hidden units of the activation units, and width of the self-attentions.
        normalisation: What turns attention scores into weights.
        heads: Heads of the self-attentions.
        intent_hidden: Hidden layers of the user intent network.
        intent_weight: Weight of the intent loss beside the click loss.
        category_field: Side field that is the category; see `TriggerCategory`.
        hard_length: Behaviours of the trigger's category at most, the newest ones.
        dropout: Share of the head's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    heads: PositiveInt = 4
    intent_hidden: tuple[PositiveInt, ...] = (128, 64)
    intent_weight: NonNegativeFloat = 0.1
    category_field: str | None = None
    hard_length: PositiveInt = 20
    dropout: float = Field(0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "DIHNConfig":
        require_multiple("attention_hidden", self.attention_hidden, self.heads)
        return self


class DIHN(TargetScorer):
    """Asks the history for a mixture of trigger and target, as strong as the intent on each."""

    config_type = DIHNConfig

    def __init__(self, config: DIHNConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        self.category = TriggerCategory(catalogue, config.category_field)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width, hidden = self.items.width, config.attention_hidden
        self.trigger_attention = TargetAttention(width, hidden, config.normalisation)
        self.intent_network = MLP(self.user.width + 2 * width, config.intent_hidden, output=1)
        self.soft_relations = MultiHeadSelfAttention(width, hidden, config.heads)
        self.soft_attention = TargetAttention(width, hidden, config.normalisation)
        self.hard_relations = MultiHeadSelfAttention(width, hidden, config.heads)
        inputs = self.user.width + 4 * width
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return click logits, and in training the weighted loss of the intent on the trigger."""
        histories, user = batch.jagged, self.user(batch)
        table, (target_row, trigger_row, rows) = self.items.rows(
            targets, batch.trigger_item, histories.items
        )
        target, trigger = take_rows(table, target_row), take_rows(table, trigger_row)
        wanted = self.trigger_attention.jagged(trigger, table, histories.offsets, rows)
        intent = self.intent_network(join(user, trigger, wanted))  # B 1, the logit
        fused = fuse(torch.sigmoid(intent), trigger, target)
        soft_keys = self.soft_relations.sequences(table, histories.offsets, rows)
        soft = self.soft_attention.jagged(fused, soft_keys, histories.offsets, places(soft_keys))
        alike, starts = self.category.jagged(batch, self.settings.hard_length)
        hard_keys = self.hard_relations.sequences(table, starts, rows[alike])
        hard = mean_rows(hard_keys, places(hard_keys), starts)
        auxiliary = self.weighted(
            self.settings.intent_weight,
            lambda: self.category.intent_loss(batch, intent.squeeze(-1), targets),
        )
        logit = self.head(join(user, target, trigger, soft, hard)).squeeze(-1)
        return Output(logit, auxiliary_loss=auxiliary)


def places(rows: Float[Tensor, "E D"]) -> Int[Tensor, " E"]:
    """Return the place of each row."""
    return torch.arange(len(rows), device=rows.device)


def fuse(
    probability: Float[Tensor, "B 1"], trigger: Float[Tensor, "B D"], target: Float[Tensor, "T D"]
) -> Float[Tensor, "T D"]:
    """Return p·E_trigger + (1-p)·E_target, the fusion embedding module."""
    return probability * trigger + (1.0 - probability) * target
