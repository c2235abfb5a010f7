from dataclasses import replace

import pytest
import torch
from jaxtyping import Int
from torch import Tensor, nn

from models.ctr.base import CTRModel, ModelConfig, Output, TargetScorer
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.layers.embedding import ItemEmbedding
from tests.models.training.synthetic import Dataset


class Plain(CTRModel):
    """A model that offers nothing but its predictions."""

    def __init__(self, config: ModelConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.weight = nn.Parameter(torch.randn(self.items.width))

    def predict(self, batch: Batch, *, true_intent: bool = False) -> Output:
        history = self.items.mean(batch.history, batch.history_mask)
        return Output(((history + self.weight) * self.items(batch.target_item)).sum(-1))


def test_a_model_without_request_scoring_of_its_own_scores_requests_all_the_same(
    dataset: Dataset,
) -> None:
    model = Plain(ModelConfig(embedding_dim=3), dataset.catalogue)
    request = dataset.store.gather(dataset.store.rows("test")[:1])
    candidates = torch.tensor([5, 2, 9], dtype=torch.int32)
    scored = model.score_candidates(request, candidates).logit
    expected = torch.cat([model(replace(request, target_item=one[None])) for one in candidates])
    torch.testing.assert_close(scored, expected)


def test_a_model_has_one_stage_unless_it_says_otherwise(dataset: Dataset) -> None:
    (stage,) = Plain(ModelConfig(), dataset.catalogue).stages()
    assert (stage.loss, stage.train, stage.monitor) == ("click", ("",), "valid/auc")


class Popularity(TargetScorer):
    """A logit a target from the user's history, and a loss of its own."""

    def __init__(self, config: ModelConfig, catalogue: Catalogue, weight: float = 0.0) -> None:
        super().__init__(config, catalogue)
        self.items = ItemEmbedding(catalogue, config.embedding_dim)
        self.weight, self.losses = weight, 0

    def score_targets(self, batch: Batch, targets: Int[Tensor, " T"]) -> Output:
        history = self.items.mean(batch.history, batch.history_mask)
        auxiliary = self.weighted(self.weight, self._loss)
        return Output((history * self.items(targets)).sum(-1), auxiliary_loss=auxiliary)

    def _loss(self) -> Tensor:
        self.losses += 1
        return torch.tensor(3.0)


def test_one_method_scores_impressions_and_the_candidates_of_a_request(dataset: Dataset) -> None:
    model = Popularity(ModelConfig(embedding_dim=3), dataset.catalogue).eval()
    request = dataset.store.gather(dataset.store.rows("test")[:1])
    candidates = torch.tensor([5, 2, 9], dtype=torch.int32)
    expected = [model(replace(request, target_item=one[None])) for one in candidates]
    torch.testing.assert_close(
        model.score_candidates(request, candidates).logit, torch.cat(expected)
    )


@pytest.mark.parametrize(
    ("training", "weight", "told", "computed"),
    [(True, 0.5, 1.5, 1), (True, 0.0, None, 0), (False, 0.5, None, 0)],
)
def test_a_models_own_loss_is_weighted_and_left_out_where_it_does_not_count(
    dataset: Dataset, training: bool, weight: float, told: float | None, computed: int
) -> None:
    model = Popularity(ModelConfig(), dataset.catalogue, weight).train(training)
    auxiliary = model.predict(dataset.store.gather(dataset.store.rows("test")[:2])).auxiliary_loss
    assert (None if auxiliary is None else auxiliary.item()) == told
    assert model.losses == computed
