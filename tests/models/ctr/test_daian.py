from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ctr.daian import DAIAN, DAIANConfig
from models.data.batch import Batch
from models.errors import ConfigError, TrainingError
from models.training.stages import stage_batch, stage_loss, stage_rows
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def model_with(dataset: Dataset, **settings: object) -> DAIAN:
    torch.manual_seed(0)
    config = DAIANConfig.model_validate(SMALL_BY_MODEL["daian"] | settings)
    return DAIAN(config, dataset.catalogue)


def batch_of(dataset: Dataset, *, triggered: bool = True) -> Batch:
    """Test rows whose trigger is known, with their true intents."""
    rows = dataset.store.rows("test")
    rows = rows[(np.asarray(dataset.store.trigger_item)[rows] > 0) == triggered][:30]
    return dataset.intents.attach(
        dataset.store.gather(rows), np.asarray(dataset.store.request)[rows]
    )


def padded_alike(model: DAIAN, batch: Batch) -> torch.Tensor:
    empty = torch.zeros_like(batch.history_mask)
    return empty.masked_scatter(batch.history_mask, model.alike_to_trigger(batch))


@pytest.mark.parametrize("uim", [True, False])
@pytest.mark.parametrize("die", [True, False])
@pytest.mark.parametrize("sein", [True, False])
@pytest.mark.parametrize("three_stage", [True, False])
def test_every_combination_of_modules_learns_through_all_its_stages(
    uim: bool, die: bool, sein: bool, three_stage: bool, dataset: Dataset
) -> None:
    model = model_with(dataset, uim=uim, die=die, sein=sein, three_stage=three_stage)
    names = [stage.name for stage in model.stages()]
    wanted = {"uim": uim and three_stage, "die": uim and die and three_stage, "joint": True}
    assert names == [name for name, there in wanted.items() if there]
    reached = set()
    for stage in model.stages():
        rows = stage_rows(stage, dataset.store, dataset.intents, "train")[:200]
        batch = stage_batch(stage, dataset.store, dataset.intents, rows)
        model.zero_grad(set_to_none=True)
        stage_loss(stage, model, batch).backward()
        reached |= {key for key, weight in model.named_parameters() if weight.grad is not None}
    assert reached == {key for key, _ in model.named_parameters()}
    assert (model.predict(batch_of(dataset)).intent is not None) == uim


def test_the_predicted_intent_is_a_distribution_over_the_levels(dataset: Dataset) -> None:
    intent = model_with(dataset).predict(batch_of(dataset)).intent
    assert intent is not None
    assert intent.shape == (30, 4)
    torch.testing.assert_close(intent.sum(-1), torch.ones(30))


def test_uim_and_the_click_model_share_no_parameter(dataset: Dataset) -> None:
    model = model_with(dataset)
    uim = {weight.data_ptr() for weight in model.uim.parameters()}
    rest = {weight.data_ptr() for name, weight in model.named_parameters() if "uim" not in name}
    assert uim
    assert not uim & rest
    predicted = model.predict(batch_of(dataset)).intent
    assert predicted is not None
    predicted[:, 0].sum().backward()
    touched = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert touched == {f"uim.{name}" for name, _ in model.uim.named_parameters()}


def test_only_the_last_stage_trains_everything_and_gives_uim_a_smaller_rate(
    dataset: Dataset,
) -> None:
    uim, die, joint = model_with(dataset, uim_lr_scale=0.25).stages()
    assert (uim.loss, uim.train, uim.monitor) == ("intent_kl", ("uim.",), "valid/intent_kl")
    assert (die.loss, die.true_intent) == ("click", True)
    assert not any(prefix.startswith("uim") for prefix in die.train)
    assert (joint.loss, joint.true_intent, joint.train) == ("click", False, ("",))
    assert joint.lr_scale == {"uim.": 0.25}


def test_stage_two_reads_the_true_intent_in_place_of_the_estimate(dataset: Dataset) -> None:
    model, batch = model_with(dataset), batch_of(dataset)
    assert batch.intent is not None
    other = replace(batch, intent=batch.intent.roll(1, dims=1))
    before = model.predict(batch, true_intent=True)
    assert before.intent is batch.intent
    assert (model.predict(other, true_intent=True).logit != before.logit).any()
    assert torch.equal(model(other), model(batch))


def test_stage_two_without_intents_in_the_batch_is_a_named_error(dataset: Dataset) -> None:
    batch = replace(batch_of(dataset), intent=None)
    with pytest.raises(TrainingError, match="Stage 2 needs y_int"):
        model_with(dataset).predict(batch, true_intent=True)


@pytest.mark.parametrize("missing", ["content", "intent_edges", "content_mean"])
def test_a_catalogue_without_content_or_levels_is_refused(missing: str, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="needs item embeddings and intent levels"):
        DAIAN(DAIANConfig(), replace(dataset.catalogue, **{missing: None}))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="intent_width 10 is no multiple of heads 4"):
        DAIANConfig(intent_width=10, heads=4)


def test_the_explicit_subsequence_is_what_the_labels_call_alike(dataset: Dataset) -> None:
    """The level of a behaviour against the trigger is that of a target: one definition."""
    model = model_with(dataset, explicit_from_level=2)
    batch = batch_of(dataset)
    alike = padded_alike(model, batch)
    for column in range(batch.history.shape[1]):
        levels = model.pair_level(batch.history[:, column], batch.trigger_item)
        real = batch.history_mask[:, column]
        assert torch.equal(alike[:, column][real], (levels >= 2)[real])
    assert alike[batch.history_mask].any()
    assert not alike[batch.history_mask].all()


def test_the_models_levels_are_the_labels(dataset: Dataset) -> None:
    batch, rows = dataset.store.gather(dataset.store.rows("test")), dataset.store.rows("test")
    level = model_with(dataset).pair_level(batch.target_item, batch.trigger_item)
    assert level.tolist() == dataset.intents.level[rows].tolist()
    assert -1 in level.tolist()


def test_a_behaviour_without_content_is_never_alike(dataset: Dataset) -> None:
    content = dataset.catalogue.content
    assert content is not None
    bare = replace(dataset, catalogue=replace(dataset.catalogue, content=content.clone()))
    batch = batch_of(dataset)
    item = int(batch.history[batch.history_mask][0])
    assert bare.catalogue.content is not None
    bare.catalogue.content[item] = 0.0
    alike = padded_alike(model_with(bare, explicit_from_level=0), batch)
    of_trigger = batch.trigger_item == item
    assert not alike[(batch.history == item)].any()
    assert not alike[of_trigger].any()
    others = (batch.history != item) & batch.history_mask & ~of_trigger[:, None]
    assert alike[others].all()


def test_without_a_trigger_there_is_no_explicit_subsequence_but_a_score(dataset: Dataset) -> None:
    model, batch = model_with(dataset), batch_of(dataset, triggered=False)
    assert not model.alike_to_trigger(batch).any()
    assert model(batch).isfinite().all()


def test_an_item_learns_nothing_from_the_enhancers_second_term(dataset: Dataset) -> None:
    """With δ's own gradient taken away, Eq. 13 passes none to the id embeddings."""
    model, batch = model_with(dataset), batch_of(dataset)
    target = model.items(batch.target_item).detach().requires_grad_()
    trigger = model.items(batch.trigger_item).detach()
    level = model.pair_level(batch.target_item, batch.trigger_item)
    with torch.no_grad():
        model.enhancer.levels.weight.zero_()  # |U_sim| = 0: δ = 0 with a gradient of 0
    model.enhancer(target, trigger, level).sum().backward()
    assert target.grad is not None
    assert target.grad.abs().max() == 0
