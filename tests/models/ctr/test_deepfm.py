from dataclasses import fields, replace

import pytest
import torch

from models.ctr.base import CTRModel, ModelConfig
from models.ctr.dcnv2 import DCNv2, DCNv2Config
from models.ctr.deepfm import DeepFM, DeepFMConfig
from models.data.batch import Batch, JaggedHistory
from tests.models.training.synthetic import Dataset


def small(dataset: Dataset, **settings: object) -> DeepFM:
    torch.manual_seed(0)
    config = DeepFMConfig.model_validate({"embedding_dim": 4, "head": [8], **settings})
    return DeepFM(config, dataset.catalogue).eval()


def test_the_logit_is_equations_one_and_two_in_plain_loops(dataset: Dataset) -> None:
    model = small(dataset).double()
    batch = dataset.store.gather(dataset.store.rows("test")[:10])
    rows = model.fields(batch, batch.target_item).unflatten(-1, (-1, 5))  # w and v side by side
    weights, fields = rows[..., 0], rows[..., 1:].flatten(1)
    deep = model.deep(fields).squeeze(-1).tolist()
    for row, logit in enumerate(model(batch).tolist()):
        vectors = fields[row].view(-1, 4).tolist()
        machine = sum(weights[row].tolist())
        for i in range(len(vectors)):
            for j in range(i + 1, len(vectors)):
                machine += sum(a * b for a, b in zip(vectors[i], vectors[j], strict=True))
        assert abs(machine + deep[row] - logit) < 1e-12


def test_history_and_trigger_are_fields_unless_switched_off(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    changed = {
        "history": replace(batch, history=torch.full_like(batch.history, 2)),
        "trigger": replace(batch, trigger_item=torch.zeros_like(batch.trigger_item)),
    }
    whole, bare = small(dataset), small(dataset, history="none", use_trigger=False)
    assert whole.fields.width == bare.fields.width + 2 * whole.fields.items.width
    for other in changed.values():
        assert (whole(other) != whole(batch)).any()
        assert torch.equal(bare(other), bare(batch))


@pytest.mark.parametrize(("model", "config"), [(DeepFM, DeepFMConfig), (DCNv2, DCNv2Config)])
def test_without_history_none_is_gathered(
    model: type[CTRModel], config: type[ModelConfig], dataset: Dataset
) -> None:
    def never() -> JaggedHistory:
        raise RuntimeError("nobody asked for histories")

    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    columns = {
        item.name: getattr(batch, item.name)
        for item in fields(batch)
        if not item.name.startswith("history")
    }
    bare = Batch.of_jagged(never, **columns)
    assert model(config.model_validate({"history": "none"}), dataset.catalogue)(bare).shape == (20,)
    with pytest.raises(RuntimeError, match="nobody asked"):
        model(config(), dataset.catalogue)(bare)
