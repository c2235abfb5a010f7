"""POSO, Personalized Cold Start Modules (Dai et al., Kuaishou, 2021, arXiv:2108.04690), on DIN.

What is taken from the paper and what is assumed: docs/models/poso.md.
"""

from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.attention import Normalisation, TargetAttention
from models.layers.cold_start import COUNT_BUCKETS, CountEmbedding
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.gate import GatedMLP, GateNU
from models.layers.lookup import take_rows
from models.layers.mlp import join


class POSOConfig(ModelConfig):
    """Settings of `POSO`.

    Attributes:
        head: Hidden layers of the head; each is personalised.
        attention_hidden: Hidden units of the activation unit.
        normalisation: What turns attention scores into weights.
        code_dim: Width of the embedding of each part of the personalisation code.
        gate_hidden: Hidden units of every gate.
        dropout: Share of the head's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    code_dim: PositiveInt = 8
    gate_hidden: PositiveInt = 32
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class POSO(TargetScorer):
    """DIN, whose interest and hidden layers are gated by how new user and item are."""

    config_type = POSOConfig
    impressions: Tensor

    def __init__(self, config: POSOConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.register_buffer("impressions", catalogue.impressions(), persistent=False)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        width, code = self.items.width, 2 * config.code_dim
        self.activity = CountEmbedding(COUNT_BUCKETS, config.code_dim)
        self.exposure = CountEmbedding(COUNT_BUCKETS, config.code_dim)
        self.attention = TargetAttention(width, config.attention_hidden, config.normalisation)
        self.interest_gate = GateNU(code, config.gate_hidden, width)
        inputs = self.user.width + 3 * width
        self.head = GatedMLP(inputs, config.head, code, config.gate_hidden, config.dropout)

    def personalisation_code(
        self, batch: Batch, targets: Int[Tensor, " T"]
    ) -> Float[Tensor, "T P"]:
        """Return how much of the user and of the item is known, the gates' one input."""
        behaviours = self.activity(batch.jagged.offsets.diff())
        return join(behaviours, self.exposure(self.impressions[targets.long()]))

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side computed once."""
        histories = batch.jagged
        table, (target_row, trigger_row, history_row) = self.items.rows(
            targets, batch.trigger_item, histories.items
        )
        target, trigger = take_rows(table, target_row), take_rows(table, trigger_row)
        code = self.personalisation_code(batch, targets)
        interest = self.attention.jagged(target, table, histories.offsets, history_row)
        interest = self.interest_gate(code) * interest
        inputs = join(self.user(batch), target, trigger, interest)
        return Output(self.head(inputs, code).squeeze(-1))
