from dataclasses import replace

import torch
from torch import nn

from models.ctr.base import CTRModel, ModelConfig, Output
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
