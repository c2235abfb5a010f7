import pytest
import torch
from torch import nn

from models.ctr.base import Stage
from models.ctr.build import build_model
from models.ctr.config import TrainingConfig
from models.errors import TrainingError
from models.training.optimizers import (
    clip_gradients,
    freeze_outside,
    learning_rate_scale,
    make_optimizer,
)
from tests.models.training.synthetic import Dataset, small_config


def rates(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_the_joint_stage_gives_what_was_pre_trained_its_smaller_rates(dataset: Dataset) -> None:
    model = build_model(small_config("daian"), dataset.catalogue, 0)
    scales = {"uim": model.settings.uim_lr_scale, "die": model.settings.die_joint_lr_scale}
    assert 0 < scales["uim"] < scales["die"] < 1
    scales["shift"] = scales["die"]
    stage = model.stages()[-1]
    freeze_outside(stage, model)
    found = rates(model, make_optimizer(stage, model, TrainingConfig(learning_rate=0.01)))
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, (rate, _) in found.items():
        assert rate == pytest.approx(0.01 * scales.get(name.split(".")[0], 1.0))


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_a_stage_changes_exactly_its_own_parameters(optimizer: str, dataset: Dataset) -> None:
    model = build_model(small_config("daian"), dataset.catalogue, 0)
    stage = model.stages()[0]
    freeze_outside(stage, model)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    step = make_optimizer(stage, model, TrainingConfig.model_validate({"optimizer": optimizer}))
    output = model.predict(dataset.store.gather(dataset.store.rows("train")[:64]))
    assert output.intent is not None
    (output.logit.sum() + output.intent[:, 0].sum()).backward()
    step.step()
    changed = {name for name, weight in model.named_parameters() if (weight != before[name]).any()}
    assert changed == {name for name in before if name.startswith("uim.")}


def test_tables_matrices_and_biases_decay_by_their_own_setting(dataset: Dataset) -> None:
    model = build_model(small_config("din"), dataset.catalogue, 0)
    config = TrainingConfig(weight_decay=0.1, embedding_l2=0.2)
    found = rates(model, make_optimizer(Stage("joint"), model, config))
    assert found["items.ids.weight"][1] == 0.2
    assert found["head.0.weight"][1] == 0.1
    assert found["head.0.bias"][1] == 0.0


def test_the_longest_matching_prefix_sets_the_rate() -> None:
    stage = Stage("joint", lr_scale={"uim.": 0.1, "uim.items.": 0.5})
    names = ("uim.items.ids.weight", "uim.mlp.0.bias", "head.0.bias")
    assert [learning_rate_scale(stage, name) for name in names] == [0.5, 0.1, 1.0]


def test_a_stage_without_parameters_is_a_named_error(dataset: Dataset) -> None:
    model = build_model(small_config("din"), dataset.catalogue, 0)
    with pytest.raises(TrainingError, match="Stage 'odd' trains no parameter"):
        freeze_outside(Stage("odd", train=("nothing.",)), model)


def test_gradients_are_clipped_to_the_limit_if_there_is_one() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    clip_gradients([parameter], None)
    assert parameter.grad.tolist() == [3.0, 4.0]
    clip_gradients([parameter], 1.0)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]), atol=1e-5, rtol=0)
