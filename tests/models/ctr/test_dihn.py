import pytest
import torch

from models.ctr.dihn import DIHN, DIHNConfig, fuse
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def model_with(dataset: Dataset, **settings: object) -> DIHN:
    torch.manual_seed(0)
    return DIHN(DIHNConfig.model_validate(SMALL_BY_MODEL["dihn"] | settings), dataset.catalogue)


def test_trigger_and_target_are_fused_by_the_probability() -> None:
    trigger, target = torch.tensor([[1.0, 2.0]]), torch.tensor([[5.0, -2.0], [1.0, 6.0]])
    fused = fuse(torch.tensor([[0.25]]), trigger, target)
    assert fused.tolist() == [[4.0, -1.0], [1.0, 5.0]]


def test_the_intent_loss_is_added_in_training_alone(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("train")[:60])
    for weight in (0.1, 0.2):
        model = model_with(dataset, intent_weight=weight)
        intent = torch.zeros(60, 1)
        model.intent_network.forward = lambda _, intent=intent: (
            intent
        )  # says one half of everything
        loss = model.predict(batch).auxiliary_loss
        assert loss is not None
        assert loss.item() == pytest.approx(weight * torch.tensor(2.0).log().item())
        assert model.eval().predict(batch).auxiliary_loss is None
    assert model_with(dataset, intent_weight=0).predict(batch).auxiliary_loss is None


def test_a_certain_intent_asks_the_history_for_trigger_or_target_alone(dataset: Dataset) -> None:
    """With p = 1 the soft interest is the same for all targets, with p = 0 it is not."""
    model = model_with(dataset).eval()
    request = dataset.store.gather(dataset.store.rows("test")[-1:])
    asked: list[torch.Tensor] = []
    jagged = model.soft_attention.jagged
    model.soft_attention.jagged = lambda query, *keys: asked.append(query) or jagged(query, *keys)
    for certain in (200.0, -200.0):
        model.intent_network.forward = lambda _, certain=certain: torch.full((1, 1), certain)
        model.score_candidates(request, torch.tensor([4, 9], dtype=torch.int32))
    torch.testing.assert_close(asked[0], model.items(request.trigger_item).expand(2, -1))
    torch.testing.assert_close(asked[1], model.items(torch.tensor([4, 9])))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="attention_hidden 10 is no multiple of heads 4"):
        DIHNConfig(attention_hidden=10)
