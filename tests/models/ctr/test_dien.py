import math
from dataclasses import replace

import pytest
import torch

from models.ctr.dien import DIEN, DIENConfig, auxiliary_loss
from models.layers.recurrent import StepLayout
from tests.models.training.synthetic import Dataset


def small(dataset: Dataset, **settings: object) -> DIEN:
    torch.manual_seed(0)
    config = DIENConfig.model_validate({"embedding_dim": 4, "head": [8], **settings})
    model = DIEN(config, dataset.catalogue)
    for table in model.items.modules():
        if isinstance(table, torch.nn.Embedding):  # trained tables are not as small as new ones
            torch.nn.init.normal_(table.weight)
    return model.double()


def test_the_final_interest_is_the_papers_row_by_row(dataset: Dataset) -> None:
    """Each history alone, through torch's own recurrence and the attention as the paper has it."""
    model = small(dataset).eval()
    batch = dataset.store.gather(dataset.store.rows("test")[:30])
    histories = batch.jagged
    layout = StepLayout.of(histories.offsets)
    behaviours = model.items(histories.items[layout.index])
    target = model.items(batch.target_item)
    final = model._evolve(model.extractor(behaviours, layout), target, layout)
    for row in range(batch.size):
        history = model.items(batch.history[row][batch.history_mask[row]])  # S D
        if not len(history):
            assert final[row].eq(0).all()
            continue
        alone = StepLayout.of(torch.tensor([0, len(history)]))
        interests = model.extractor(history, alone)
        scores = torch.exp(interests @ model.relevance.weight @ target[row])
        weights = scores / scores.sum()
        expected = model.evolution(interests, alone, weights)[-1]
        torch.testing.assert_close(final[row], expected)


def test_the_auxiliary_loss_is_the_papers_in_plain_loops() -> None:
    lengths = [3, 1, 2]
    layout = StepLayout.of(torch.tensor([0, *lengths]).cumsum(0))
    assert layout.alive == ((3, 2, 1),)
    generator = torch.Generator().manual_seed(0)
    interests = torch.randn(6, 2, dtype=torch.double, generator=generator)
    behaviours = torch.randn(6, 2, dtype=torch.double, generator=generator)
    codes = torch.tensor([7, 8, 9, 7, 9, 7])  # ranks 0 1 2, then 0 1, then 0
    torch.manual_seed(3)
    got = auxiliary_loss(interests, behaviours, codes, layout)
    torch.manual_seed(3)
    drawn = torch.randint(6, (3,)).tolist()
    total = 0.0
    for (now, following), other in zip([(0, 3), (1, 4), (3, 5)], drawn, strict=True):
        total -= math.log(torch.sigmoid(interests[now] @ behaviours[following]).item())
        if codes[other] != codes[following]:
            total -= math.log(1 - torch.sigmoid(interests[now] @ behaviours[other]).item())
    assert got.item() == pytest.approx(total / 3, abs=1e-12)


def test_without_a_next_behaviour_there_is_no_auxiliary_loss() -> None:
    values = torch.randn(2, 3, requires_grad=True)
    loss = auxiliary_loss(
        values, values.detach(), torch.tensor([4, 5]), StepLayout.of(torch.tensor([0, 1, 2]))
    )
    assert loss.item() == 0.0
    loss.backward()


def test_only_training_has_the_auxiliary_loss_and_only_with_a_weight(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("train")[-50:])
    model = small(dataset)
    torch.manual_seed(1)
    once = model.train().predict(batch).auxiliary_loss
    assert once is not None
    assert once > 0
    assert model.eval().predict(batch).auxiliary_loss is None
    assert small(dataset, auxiliary_weight=0).train().predict(batch).auxiliary_loss is None
    weighted = small(dataset, auxiliary_weight=2.0).train()
    torch.manual_seed(1)
    double = weighted.predict(batch).auxiliary_loss
    torch.testing.assert_close(double, 2 * once)


def test_a_batch_without_any_history_is_scored(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("test")[:5])
    empty = replace(
        batch,
        history=torch.zeros_like(batch.history),
        history_mask=torch.zeros_like(batch.history_mask),
    )
    assert small(dataset).train().predict(empty).logit.isfinite().all()


def test_dien_needs_neither_content_nor_intents(dataset: Dataset) -> None:
    bare = replace(dataset.catalogue, content=None, content_mean=None, intent_edges=None)
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    assert DIEN(DIENConfig(), bare)(batch).isfinite().all()
