from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ctr.config import TrainingConfig
from models.ctr.daian import DAIAN, DAIANConfig
from models.data.batch import Batch
from models.errors import ConfigError, TrainingError
from models.intents.labels import _request_intent
from models.layers.requests import Requests
from models.metrics.ranking import auc, gauc, rela_impr
from models.training.optimizers import freeze_outside, make_optimizer
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
    places, _ = model.explicit_subsequence(batch, model.trigger_level(batch))
    alike = torch.zeros(len(batch.jagged.items), dtype=torch.bool).index_fill_(0, places, True)
    return empty.masked_scatter(batch.history_mask, alike)


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


def test_without_the_products_the_head_is_the_papers(dataset: Dataset) -> None:
    for die in (True, False):
        with_them, without = (model_with(dataset, products=on, die=die) for on in (True, False))
        width = with_them.items.width
        first, plain = (next(model.head.parameters()).shape[1] for model in (with_them, without))
        assert first == plain + (4 if die else 3) * width
        assert without(batch_of(dataset)).isfinite().all()


def test_the_head_reads_target_times_mean_alike_behaviour(dataset: Dataset) -> None:
    model, batch = model_with(dataset, explicit_from_level=2), batch_of(dataset)
    read = list[torch.Tensor]()
    model.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    model(batch)
    alike = padded_alike(model, batch).float()
    number = alike.sum(1, keepdim=True)
    mean = (model.items(batch.history) * alike[..., None]).sum(1) / number.clamp_min(1)
    expected = model.items(batch.target_item) * mean
    assert (number == 0).any()
    assert (number > 1).any()
    places = read[0].unfold(1, model.items.width, 1)  # B, start, width
    assert torch.isclose(places, expected[:, None], atol=1e-9).all(-1).all(0).sum() == 1


def test_the_predicted_intent_is_a_distribution_over_the_levels(dataset: Dataset) -> None:
    intent = model_with(dataset).predict(batch_of(dataset)).intent
    assert intent is not None
    assert intent.shape == (30, 4)
    torch.testing.assert_close(intent.sum(-1), torch.ones(30))


def test_the_intent_alone_is_that_of_the_whole_prediction(dataset: Dataset) -> None:
    model, batch = model_with(dataset).eval(), batch_of(dataset)
    torch.testing.assert_close(model.intent(batch), model.predict(batch).intent)
    assert model_with(dataset, uim=False).intent(batch) is None


def test_what_uim_knows_of_users_and_items_it_knows_by_their_fields(dataset: Dataset) -> None:
    batch = batch_of(dataset)
    other = replace(batch, user=batch.user.roll(1))
    for ids in (False, True):
        model = model_with(dataset, uim_ids=ids)
        names = [name for name, _ in model.uim.named_parameters() if "ids" in name]
        assert bool(names) == ids
        intent, moved = model.intent(batch), model.intent(other)
        assert intent is not None
        assert moved is not None
        assert torch.equal(intent, moved) != ids


def test_uim_reads_the_items_ids_where_they_have_no_side_fields(dataset: Dataset) -> None:
    bare = dataset.catalogue.spec.model_copy(update={"item_fields": ()})
    catalogue = replace(
        dataset.catalogue, spec=bare, item_fields=dataset.catalogue.item_fields[:, :0]
    )
    model = DAIAN(DAIANConfig.model_validate(SMALL_BY_MODEL["daian"]), catalogue)
    assert any(name.startswith("items.ids") for name, _ in model.uim.named_parameters())
    assert model.predict(batch_of(dataset)).logit.isfinite().all()


@pytest.mark.parametrize("steps", [True, False])
def test_uim_reads_how_alike_consecutive_behaviours_are(steps: bool, dataset: Dataset) -> None:
    batch = batch_of(dataset)
    last = batch.history.masked_fill(~batch.history_mask, torch.iinfo(batch.history.dtype).max)
    by_code = last.sort(-1).values * batch.history_mask
    model = model_with(dataset, uim_steps=steps)
    intent, moved = model.intent(batch), model.intent(replace(batch, history=by_code))
    assert intent is not None
    assert moved is not None
    assert torch.allclose(intent, moved, atol=1e-6) != steps


def test_a_request_has_one_intent_whatever_it_shows_and_how(dataset: Dataset) -> None:
    model, batch = model_with(dataset), batch_of(dataset)
    shown = replace(
        batch,
        target_item=batch.target_item.flip(0),
        context_fields=torch.zeros_like(batch.context_fields),
    )
    torch.testing.assert_close(model.intent(shown), model.intent(batch), rtol=0, atol=0)


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


def test_only_the_last_stage_trains_everything_and_what_was_trained_at_a_smaller_rate(
    dataset: Dataset,
) -> None:
    rates = {"uim_lr_scale": 0.25, "die_joint_lr_scale": 0.5}
    uim, die, joint = model_with(dataset, **rates).stages()
    assert (uim.loss, uim.train, uim.monitor) == ("intent_kl", ("uim.",), "valid/intent_kl")
    assert (die.loss, die.true_intent) == ("click", True)
    assert not any(prefix.startswith("uim") for prefix in die.train)
    assert (joint.loss, joint.true_intent, joint.train) == ("click", False, ("",))
    assert joint.lr_scale == {"uim.": 0.25, "die.": 0.5, "shift.": 0.5}
    *_, joint = model_with(dataset, die_epochs=0, **rates).stages()
    assert joint.lr_scale == {"uim.": 0.25}  # nothing was trained that is to be kept


def test_stage_two_reads_the_true_intent_in_place_of_the_estimate(dataset: Dataset) -> None:
    model, batch = model_with(dataset), batch_of(dataset)
    assert batch.intent is not None
    other = replace(batch, intent=batch.intent.roll(1, dims=1))
    before = model.predict(batch, true_intent=True)
    assert before.intent is batch.intent
    assert (model.predict(other, true_intent=True).logit != before.logit).any()
    assert torch.equal(model(other), model(batch))


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("modules", [{}, {"uim": False}, {"die": False}, {"sein": False}])
def test_what_a_request_shares_is_computed_once_and_is_the_same(
    native: str, modules: dict[str, bool], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTENTFLOW_NATIVE", native)
    model = model_with(dataset, **modules).eval()
    rows = dataset.store.rows("test")
    rows = rows[np.asarray(dataset.store.trigger_item)[rows] > 0][[3, 0, 0, 0, 7, 7]]
    batch = dataset.store.gather(rows)
    batch = replace(batch, target_item=torch.arange(2, 8, dtype=torch.int32))
    together, intent = model(batch), model.predict(batch).intent
    monkeypatch.setattr("models.ctr.daian.Requests.of", Requests)
    torch.testing.assert_close(together, model(batch), rtol=1e-6, atol=1e-6)
    assert (intent is None) == ("uim" in modules)
    if intent is not None:
        torch.testing.assert_close(intent, model.predict(batch).intent, rtol=1e-6, atol=1e-6)


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
    """The level of a behaviour against the trigger is that of a target: one definition.

    The trigger itself is left out, which stands in the history since it was clicked.
    """
    model = model_with(dataset, explicit_from_level=2, explicit_length=50)
    batch = batch_of(dataset)
    alike = padded_alike(model, batch)
    for column in range(batch.history.shape[1]):
        levels = model.pair_level(batch.history[:, column], batch.trigger_item)
        real = batch.history_mask[:, column]
        other = batch.history[:, column] != batch.trigger_item
        assert torch.equal(alike[:, column][real], (levels >= 2)[real] & other[real])
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
    alike = padded_alike(model_with(bare, explicit_from_level=0, explicit_length=50), batch)
    of_trigger = batch.trigger_item == item
    assert not alike[(batch.history == item)].any()
    assert not alike[of_trigger].any()
    others = (batch.history != item) & batch.history_mask & ~of_trigger[:, None]
    others &= batch.history != batch.trigger_item[:, None]
    assert alike[others].all()


def test_without_a_trigger_there_is_no_explicit_subsequence_but_a_score(dataset: Dataset) -> None:
    model, batch = model_with(dataset), batch_of(dataset, triggered=False)
    assert not padded_alike(model, batch).any()
    assert model(batch).isfinite().all()


def test_the_head_reads_how_many_behaviours_are_alike(dataset: Dataset) -> None:
    batch, read = batch_of(dataset), list[torch.Tensor]()
    for counted in (True, False):
        model = model_with(dataset, explicit_from_level=1, explicit_count=counted)
        model.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        model(batch)
        number = padded_alike(model, batch).sum(1, keepdim=True).float().log1p()
    with_it, without = read
    assert with_it.shape[1] == without.shape[1] + 1
    assert number.unique().numel() > 2
    assert torch.isclose(with_it, number).all(0).sum() == 1
    assert not torch.isclose(without, number).all(0).any()


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


def test_equation_1_by_hand() -> None:
    """Three clicks at the levels 0, 2, 2, one of no known level, and a request without clicks."""
    level = np.array([0, 2, 2, -1, 1, 3], np.int8)
    label = np.array([1, 1, 1, 1, 0, 0])
    request = np.array([0, 0, 0, 0, 0, 1])
    intent, known = _request_intent(level, label, request, 4)
    np.testing.assert_allclose(intent, [[1 / 3, 0, 2 / 3, 0], [0, 0, 0, 0]], rtol=1e-6)
    assert known.tolist() == [True, False]


def test_equation_12_by_hand(dataset: Dataset) -> None:
    """Cosines 1, 0.6 and -1 with the trigger (3, 4), cut at -0.5, 0.5 and 0.9; one without."""
    content = torch.zeros(dataset.store.spec.num_items, 2)
    content[2:6] = torch.tensor([[3.0, 4.0], [1.0, 0.0], [-6.0, -8.0], [0.0, 0.0]])
    catalogue = replace(
        dataset.catalogue,
        content=torch.nn.functional.normalize(content, dim=-1),
        content_mean=torch.zeros(2),
        intent_edges=torch.tensor([-0.5, 0.5, 0.9]),
    )
    model = model_with(replace(dataset, catalogue=catalogue))
    targets = torch.tensor([2, 3, 4, 5], dtype=torch.int32)
    trigger = torch.full((4,), 2, dtype=torch.int32)
    assert model.pair_level(targets, trigger).tolist() == [3, 2, 0, -1]
    assert model.pair_level(targets, trigger[:1]).tolist() == [3, 2, 0, -1]


@pytest.mark.parametrize("levels", [2, 6, 20])
def test_any_number_of_levels_from_2_to_20_works(levels: int, dataset: Dataset) -> None:
    edges = torch.linspace(-0.9, 0.9, levels - 1)
    changed = replace(dataset, catalogue=replace(dataset.catalogue, intent_edges=edges))
    model = model_with(changed).eval()
    found = model.predict(dataset.store.gather(dataset.store.rows("test")[:20]))
    assert found.intent is not None
    assert found.intent.shape == (20, levels)
    assert found.logit.isfinite().all()


def test_equations_22_to_24_by_hand() -> None:
    """AUC 3/4 over two pairs of pairs; users' AUCs 1 and 0 weighed 3 to 2; then against 0.65."""
    labels, scores = np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.1])
    assert auc(labels, scores) == pytest.approx(0.75)
    label, score = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.3, 0.2, 0.1, 0.8])
    grouped = gauc(label, score, np.array([7, 7, 7, 8, 8])).value
    assert grouped == pytest.approx((3 * 1.0 + 2 * 0.0) / 5)
    assert rela_impr(0.75, 0.65) == pytest.approx((0.25 / 0.15 - 1) * 100)


@pytest.mark.parametrize("which", [0, 1])
def test_the_stop_of_equations_15_and_16_stands_in_the_whole_model(
    which: int, dataset: Dataset
) -> None:
    """Perturbed, an intent moves its factor; yet its gradient is the factor's value alone.

    Shifted = factor · intent, so gradient · intent = shifted, also where the intent is zero.
    """
    model, batch = model_with(dataset), batch_of(dataset)
    kept: list[tuple[torch.Tensor, ...]] = []

    def keep(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], shifted: object) -> None:
        assert isinstance(shifted, tuple)
        kept.append((inputs[1 + which], shifted[which]))

    model.shift.register_forward_hook(keep)
    model(batch)
    intent, shifted = kept[0]
    (gradient,) = torch.autograd.grad(shifted.sum(), intent, retain_graph=True)
    torch.testing.assert_close(gradient * intent, shifted)
    assert gradient.ne(0).all()
    unit = (model.shift.implicit, model.shift.explicit)[which]
    similarity = torch.ones(len(intent), 4)
    moved = unit(similarity, intent.detach() + 1.0) - unit(similarity, intent.detach())
    assert moved.abs().max() > 1e-4


def test_stage_three_gives_uim_and_die_their_smaller_rates(dataset: Dataset) -> None:
    model = model_with(dataset, uim_lr_scale=0.25, die_joint_lr_scale=0.5)
    joint = model.stages()[-1]
    freeze_outside(joint, model)
    optimizer = make_optimizer(joint, model, TrainingConfig(learning_rate=0.01))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        wanted = {"uim": 0.0025, "die": 0.005, "shift": 0.005}.get(name.split(".")[0], 0.01)
        assert rates[id(parameter)] == pytest.approx(wanted)


def test_requests_without_a_click_teach_no_intent(dataset: Dataset) -> None:
    uim, die, joint = model_with(dataset).stages()
    for stage in (uim, die):
        rows = stage_rows(stage, dataset.store, dataset.intents, "train")
        assert dataset.intents.has_intent[np.asarray(dataset.store.request)[rows]].all()
    rows = stage_rows(joint, dataset.store, dataset.intents, "train")
    assert not dataset.intents.has_intent[np.asarray(dataset.store.request)[rows]].all()
