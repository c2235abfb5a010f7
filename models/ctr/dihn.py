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
from models.layers.intent import newest
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
        user, target, trigger = (
            self.user(batch),
            self.items(targets),
            self.items(batch.trigger_item),
        )
        history, mask = self.items.sequence(batch.history), batch.history_mask
        wanted = self.trigger_attention(trigger, history, mask)
        intent = self.intent_network(
            join(user, trigger, wanted)
        )  # B 1, the user intent network's logit
        fused = fuse(torch.sigmoid(intent), trigger, target)
        soft = self.soft_attention(fused, self.soft_relations(history, mask), mask)
        kept, real = newest(history, self.category.padded(batch), self.settings.hard_length)
        related = self.hard_relations(kept, real) * real[..., None]
        hard = related.sum(1) / real.sum(-1, keepdim=True).clamp_min(1)
        auxiliary = self.weighted(
            self.settings.intent_weight,
            lambda: self.category.intent_loss(batch, intent.squeeze(-1), targets),
        )
        logit = self.head(join(user, target, trigger, soft, hard)).squeeze(-1)
        return Output(logit, auxiliary_loss=auxiliary)


def fuse(
    probability: Float[Tensor, "B 1"], trigger: Float[Tensor, "B D"], target: Float[Tensor, "T D"]
) -> Float[Tensor, "T D"]:
    """Return p·E_trigger + (1-p)·E_target, the fusion embedding module."""
    return probability * trigger + (1.0 - probability) * target
