"""DeepFM (Guo et al., IJCAI 2017, arXiv:1703.04247).

Differs: it reads the history too, as the mean of its items; see docs/models/deepfm.md.
"""

from typing import Literal

from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from models.ctr.base import ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.embedding import ItemEmbedding, UserEmbedding, fields_side_by_side
from models.layers.interaction import pairwise_products
from models.layers.mlp import MLP


class DeepFMConfig(ModelConfig):
    """Settings of `DeepFM`.

    Attributes:
        head: Hidden layers of the deep part.
        history: ``mean`` of the history's items is an input, or ``none`` of it.
        use_trigger: Whether the trigger item is an input.
        dropout: Share of the deep part's hidden units dropped in training.
    """

    head: tuple[PositiveInt, ...] = Field((512, 256, 128), min_length=1)
    history: Literal["mean", "none"] = "mean"
    use_trigger: bool = True
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class _Fields(nn.Module):
    """Every field of an impression at one width: user, context, target, history, trigger."""

    def __init__(self, config: DeepFMConfig, catalogue: Catalogue, dim: int) -> None:
        super().__init__()
        self.settings = config
        self.items = ItemEmbedding(catalogue, dim)
        self.user = UserEmbedding(catalogue, dim)
        items = 1 + (config.history == "mean") + config.use_trigger
        self.width = self.user.width + items * self.items.width

    def forward(self, batch: Batch, targets: Int[Tensor, " T"]) -> Float[Tensor, "T D"]:
        """Return the fields' embeddings side by side."""
        return fields_side_by_side(
            self.items,
            self.user,
            batch,
            targets,
            mean=self.settings.history == "mean",
            trigger=self.settings.use_trigger,
        )


class DeepFM(TargetScorer):
    """A factorization machine and a deep network on the same embeddings, their logits added."""

    config_type = DeepFMConfig

    def __init__(self, config: DeepFMConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        # A field's weight w and its vector v are one row of one table: looked up, and learnt, once.
        self.fields = _Fields(config, catalogue, 1 + config.embedding_dim)
        width = self.fields.width // (1 + config.embedding_dim) * config.embedding_dim
        self.deep = MLP(width, config.head, output=1, dropout=config.dropout)
        self.shares_rows = not config.dropout

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        """Return the click logit of each target, the user side embedded once."""
        sizes = (1, self.config.embedding_dim)
        rows = self.fields(batch, targets).unflatten(-1, (-1, sum(sizes)))
        weights, fields = rows.split(sizes, dim=-1)  # T F 1, T F D
        first, second = weights.sum((1, 2)), pairwise_products(fields)  # Eq. 2
        return Output(first + second + self.deep(fields.flatten(1)).squeeze(-1))  # Eq. 1
