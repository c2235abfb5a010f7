from dataclasses import replace

import pytest
import torch

from models.ctr.dian import DIAN, DIANConfig
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def model_with(dataset: Dataset, **settings: object) -> DIAN:
    torch.manual_seed(0)
    return DIAN(DIANConfig.model_validate(SMALL_BY_MODEL["dian"] | settings), dataset.catalogue)


def test_the_intent_weighs_the_network_that_sees_the_trigger(dataset: Dataset) -> None:
    """Surely on the trigger, its network alone decides; surely not, the trigger is not seen."""
    model = model_with(dataset).eval()
    batch = dataset.store.gather(dataset.store.rows("test")[:40])
    batch = replace(batch, trigger_item=batch.target_item.roll(1))
    other = replace(batch, trigger_item=batch.target_item.roll(7))
    model.intent_network.forward = lambda _: torch.full((40, 1), -60.0)
    torch.testing.assert_close(model(batch), model(other), rtol=0, atol=1e-5)
    model.intent_network.forward = lambda _: torch.full((40, 1), 60.0)
    assert (model(batch) - model(other)).abs().max() > 1e-5
    model.aware.forward = lambda _: torch.linspace(-3, 3, 40)[:, None]
    torch.testing.assert_close(model(batch), torch.linspace(-3, 3, 40), rtol=0, atol=1e-5)


def test_the_intent_loss_is_added_in_training_alone(dataset: Dataset) -> None:
    model = model_with(dataset, intent_weight=0.5)
    batch = dataset.store.gather(dataset.store.rows("train")[:60])
    model.intent_network.forward = lambda _: torch.zeros(60, 1)
    loss = model.predict(batch).auxiliary_loss
    assert loss is not None
    assert loss.item() == pytest.approx(0.5 * torch.tensor(2.0).log().item())
    assert model.eval().predict(batch).auxiliary_loss is None


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="attention_width 10 is no multiple of heads 4"):
        DIANConfig(attention_width=10)
