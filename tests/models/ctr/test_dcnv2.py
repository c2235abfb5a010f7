from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from models.ctr.dcnv2 import DCNv2, DCNv2Config
from models.data.batch import Batch
from tests.models.training.synthetic import Dataset


def batch_of(dataset: Dataset) -> Batch:
    return dataset.store.gather(dataset.store.rows("test")[:20])


def small(dataset: Dataset, **settings: object) -> DCNv2:
    torch.manual_seed(0)
    config = DCNv2Config.model_validate({"embedding_dim": 4, "head": [8], **settings})
    return DCNv2(config, dataset.catalogue).eval()


def test_stacked_is_the_deep_part_of_the_crossed_features(dataset: Dataset) -> None:
    batch = batch_of(dataset)
    for structure in ("parallel", "stacked"):
        model = small(dataset, structure=structure, rank=2, experts=2)
        pooled = model.items.mean(batch.history, batch.history_mask)
        items = (model.items(batch.target_item), pooled, model.items(batch.trigger_item))
        inputs = torch.cat([model.user(batch), *items], dim=-1)
        crossed = model.cross(inputs)
        last = (
            model.deep(crossed)
            if structure == "stacked"
            else torch.cat([crossed, model.deep(inputs)], dim=-1)
        )
        torch.testing.assert_close(model(batch), model.output(last).squeeze(-1))


def test_history_and_trigger_are_inputs_unless_switched_off(dataset: Dataset) -> None:
    batch = batch_of(dataset)
    changed = {
        "history": replace(batch, history=torch.full_like(batch.history, 2)),
        "trigger": replace(batch, trigger_item=torch.zeros_like(batch.trigger_item)),
    }
    whole, bare = small(dataset), small(dataset, history="none", use_trigger=False)
    for other in changed.values():
        assert (whole(other) != whole(batch)).any()
        assert torch.equal(bare(other), bare(batch))


def test_a_deep_part_without_a_layer_is_refused() -> None:
    with pytest.raises(ValidationError, match="head"):
        DCNv2Config(head=())
