"""DCN V2, improved deep & cross network (Wang et al., WWW 2021, arXiv:2008.13535).

Differs: it reads the history too, as the mean of its items; see docs/models/dcnv2.md.
"""

from typing import Literal

from jaxtyping import Int
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.embedding import ItemEmbedding, UserEmbedding, fields_side_by_side
from models.layers.interaction import CrossNetwork, LowRankCrossNetwork
from models.layers.mlp import MLP, join


class DCNv2Config(ModelConfig):
    """Settings of `DCNv2`.

    Attributes:
        head: Hidden layers of the deep part.
        cross_layers: Layers of the cross part.
        structure: ``parallel``: cross and deep part side by side, joined at the end; ``stacked``:
            the deep part on top of the cross part.
        rank: Rank of a low-rank expert; 0 takes the full matrix.
        experts: Experts of a layer, where ``rank`` is not 0.
        history: ``mean`` of the history's items is an input, or ``none`` of it.
        use_trigger: Whether the trigger item is an input.
        dropout: Share of the deep part's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = Field((512, 256, 128), min_length=1)
    cross_layers: PositiveInt = 3
    structure: Literal["parallel", "stacked"] = "parallel"
    rank: NonNegativeInt = 0
    experts: PositiveInt = 4
    history: Literal["mean", "none"] = "mean"
    use_trigger: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class DCNv2(TargetScorer):
    """Explicit crosses of bounded degree beside, or below, a deep network."""

    config_type = DCNv2Config

    def __init__(self, config: DCNv2Config, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.user = UserEmbedding(catalogue, config.embedding_dim)
        items = 1 + (config.history == "mean") + config.use_trigger
        width = self.user.width + items * self.items.width
        self.cross = (
            LowRankCrossNetwork(width, config.cross_layers, config.rank, config.experts)
            if config.rank
            else CrossNetwork(width, config.cross_layers)
        )
        self.deep = MLP(width, config.head, dropout=config.dropout)
        joined = self.deep.width + (width if config.structure == "parallel" else 0)
        self.output = nn.Linear(joined, 1)
        self.shares_rows = not config.dropout

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side embedded once."""
        inputs = fields_side_by_side(
            self.items,
            self.user,
            batch,
            targets,
            mean=self.settings.history == "mean",
            trigger=self.settings.use_trigger,
        )  # T D
        crossed = self.cross(inputs)
        if self.settings.structure == "stacked":
            return Output(self.output(self.deep(crossed)).squeeze(-1))
        return Output(self.output(join(crossed, self.deep(inputs))).squeeze(-1))
