"""DIAN, Deep Intention-Aware Network (Xia et al., WWW 2023 Companion, arXiv:2211.08650).

Built from the paper's published description; every assumption stands in docs/models/dian.md.
"""

from jaxtyping import Bool, Float, Int
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, TargetScorer, require_multiple
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import MultiHeadTargetAttention
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.mlp import MLP, join
from models.layers.trigger import TriggerCategory, mixed_logit


class DIANConfig(ModelConfig):
    """Settings of `DIAN`.

    Attributes:
        head: Hidden layers of the head of each of the two click networks.
        attention_width: Width of every multi-head attention, over all heads.
        heads: Heads of every multi-head attention.
        intent_hidden: Hidden layers of the intent network.
        intent_weight: Weight of the intent loss beside the click loss.
        category_field: Side field that is the category; see `TriggerCategory`.
        dropout: Share of the heads' hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_width: PositiveInt = 128
    heads: PositiveInt = 4
    intent_hidden: tuple[PositiveInt, ...] = (128, 64)
    intent_weight: NonNegativeFloat = 0.1
    category_field: str | None = None
    dropout: float = Field(0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "DIANConfig":
        require_multiple("attention_width", self.attention_width, self.heads)
        return self


class DIAN(TargetScorer):
    """P(click) = P(intent on trigger)·P(click | trigger) + P(elsewhere)·P(click | elsewhere)."""

    config_type = DIANConfig

    def __init__(self, config: DIANConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        self.category = TriggerCategory(catalogue, config.category_field)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width, user, wide = self.items.width, self.user.width, config.attention_width

        def attentions(count: int) -> nn.ModuleList:
            return nn.ModuleList(
                MultiHeadTargetAttention(width, width, wide, config.heads) for _ in range(count)
            )

        self.intent_network = MLP(user + 3 * width, config.intent_hidden, output=1)
        self.aware_attentions, self.free_attentions = attentions(4), attentions(1)
        self.aware = MLP(user + 2 * width + 4 * wide, config.head, 1, config.dropout)
        self.free = MLP(user + width + wide, config.head, 1, config.dropout)

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return click logits, and in training the weighted loss of the intent on the trigger."""
        user, target, trigger = (
            self.user(batch),
            self.items(targets),
            self.items(batch.trigger_item),
        )
        history, mask = self.items.sequence(batch.history), batch.history_mask
        mean = self.items.mean(batch.history, mask)
        intent = self.intent_network(join(user, trigger, mean, mean * trigger)).squeeze(-1)
        aware = self._aware(trigger, target, history, mask, self.category.padded(batch))
        on_trigger = self.aware(join(user, target, trigger, *aware)).squeeze(-1)
        wanted = self.free_attentions[0](target, history, mask)
        elsewhere = self.free(join(user, target, wanted)).squeeze(-1)
        auxiliary = self.weighted(
            self.settings.intent_weight, lambda: self.category.intent_loss(batch, intent, targets)
        )
        return Output(mixed_logit(intent, on_trigger, elsewhere), auxiliary_loss=auxiliary)

    def _aware(
        self,
        trigger: Float[Tensor, "B D"],
        target: Float[Tensor, "T D"],
        history: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
        alike: Bool[Tensor, "B L"],
    ) -> list[Tensor]:
        """Return what target and trigger find in the history and in the trigger's category."""
        asked = (target, mask), (target, alike), (trigger, mask), (trigger, alike)
        return [
            attention(query, history, where)
            for attention, (query, where) in zip(self.aware_attentions, asked, strict=True)
        ]
