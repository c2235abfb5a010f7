"""MWUF, Meta Warm Up Framework (Zhu et al., SIGIR 2021, arXiv:2105.04790), on DIN.

What is taken from the paper and what is assumed: docs/models/mwuf.md.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, Stage, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.data.codes import UNKNOWN
from models.layers.attention import Normalisation, TargetAttention
from models.layers.cold_start import Audience
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.lookup import take_rows
from models.layers.mlp import MLP, join

NEAR_IDENTITY = 0.01
"""Scale of the meta networks' last layers at the start: the base learns as if they were absent."""


class MWUFConfig(ModelConfig):
    """Settings of `MWUF`.

    Attributes:
        head: Hidden layers of the head.
        attention_hidden: Hidden units of the activation unit.
        normalisation: What turns attention scores into weights.
        meta_hidden: Hidden units of the scaling and of the shifting network.
        cold_share: Share of the targets that training treats as new, by the common embedding.
        meta_epochs: Epochs of the stage that trains the two networks alone; 0 leaves it out.
        warm_up_lr_scale: Factor on the learning rate of the last stage, which trains everything.
        dropout: Share of the head's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    meta_hidden: PositiveInt = 16
    cold_share: float = Field(0.1, ge=0.0, lt=1.0)
    meta_epochs: NonNegativeInt = 2
    warm_up_lr_scale: PositiveFloat = 0.1
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class MWUF(TargetScorer):
    """DIN on item ids that are scaled by the item's features and shifted by its audience."""

    config_type = MWUFConfig
    warmth: Tensor

    def __init__(self, config: MWUFConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        dim = config.embedding_dim
        warmth = torch.log1p(catalogue.impressions().float())[:, None] / 10.0
        self.register_buffer("warmth", warmth, persistent=False)
        self.items = ItemEmbedding(catalogue, dim)
        self.user = UserEmbedding(catalogue, dim)
        self.audience = Audience(catalogue.users_of_items())
        self.scale = _meta_network(self.items.fields.width + 1, config.meta_hidden, dim)
        self.shift = _meta_network(dim, config.meta_hidden, dim)
        width = self.items.width
        self.attention = TargetAttention(width, config.attention_hidden, config.normalisation)
        inputs = self.user.width + 3 * width
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)

    def stages(self) -> tuple[Stage, ...]:
        """Return the base's pre-training, the meta networks' training, and the warming up."""
        base = Stage("base", train=("items.", "user.", "attention.", "head."))
        meta = Stage("meta", train=("scale.", "shift."), epochs=self.settings.meta_epochs)
        warm_up = Stage("warm_up", lr_scale={"": self.settings.warm_up_lr_scale})
        return (base, meta, warm_up) if self.settings.meta_epochs else (base, warm_up)

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side computed once."""
        histories = batch.jagged
        table, (target_row, trigger_row, history_row) = self.items.rows(
            targets, batch.trigger_item, histories.items
        )
        target = self._warm(take_rows(table, target_row), targets, batch.user)
        interest = self.attention.jagged(target, table, histories.offsets, history_row)
        parts = (self.user(batch), target, take_rows(table, trigger_row), interest)
        return Output(self.head(join(*parts)).squeeze(-1))

    def _warm(
        self, target: Float[Tensor, "T D"], codes: Int[Tensor, " T"], user: Int[Tensor, "#T"]
    ) -> Float[Tensor, "T D"]:
        """Return the items with their ids warmed: v ⊙ τ_scale + τ_shift."""
        ids, fields = target.split([self.settings.embedding_dim, self.items.fields.width], dim=-1)
        if self.training and self.settings.cold_share:
            new = torch.rand(len(ids), 1, device=ids.device) < self.settings.cold_share
            common = self.items.ids(torch.full_like(codes[:1], UNKNOWN))
            ids = torch.where(new, common, ids)
        scale = 1.0 + self.scale(torch.cat([fields, self.warmth[codes.long()]], dim=-1))
        shift = self.shift(self.audience(codes, user, self.user))
        return torch.cat([ids * scale + shift, fields], dim=-1)


def _meta_network(inputs: int, hidden: int, outputs: int) -> MLP:
    network = MLP(inputs, (hidden,), outputs)
    last = network[-1]
    if isinstance(last, nn.Linear):
        nn.init.normal_(last.weight, std=NEAR_IDENTITY)
    return network
