"""DIN, Deep Interest Network (Zhou et al., KDD 2018, arXiv:1706.06978).

Differs: ReLU for Dice, and the trigger item is one more input; see docs/models/din.md.
"""

from jaxtyping import Int
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import Normalisation, TargetAttention
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.lookup import take_rows
from models.layers.mlp import MLP, join


class DINConfig(ModelConfig):
    """Settings of `DIN`.

    Attributes:
        head: Hidden layers of the head.
        attention_hidden: Hidden units of the activation unit.
        normalisation: What turns attention scores into weights; DIN 4.3 abandons the softmax, which
            ranks better here: see docs/models/din.md.
        use_trigger: Whether the trigger item is an input.
        dropout: Share of the head's hidden units dropped in training.
        embedding_scale: Of nearly nothing, an item that was never seen says nothing.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    use_trigger: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    embedding_scale: PositiveFloat = 1e-4


class DIN(TargetScorer):
    """Interest in the target is the history, weighed by what the target activates in it."""

    config_type = DINConfig

    def __init__(self, config: DINConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.use_trigger = config.use_trigger
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width = self.items.width
        self.attention = TargetAttention(width, config.attention_hidden, config.normalisation)
        inputs = self.user.width + (3 if config.use_trigger else 2) * width
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)
        self.shares_rows = not config.dropout

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side computed once."""
        histories = batch.jagged
        table, (target_row, trigger_row, history_row) = self.items.rows(
            targets, batch.trigger_item, histories.items
        )
        target, trigger = take_rows(table, target_row), take_rows(table, trigger_row)
        interest = self.attention.jagged(target, table, histories.offsets, history_row)  # T D
        parts = [self.user(batch), target, interest]
        if self.use_trigger:
            parts.append(trigger)
        return Output(self.head(join(*parts)).squeeze(-1))
