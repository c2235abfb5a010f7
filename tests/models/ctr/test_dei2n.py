from dataclasses import replace

import torch

from models.ctr.dei2n import DEI2N, TIME_BUCKETS, DEI2NConfig, age_bucket
from models.layers.attention import TargetAttention
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def model_with(dataset: Dataset) -> DEI2N:
    torch.manual_seed(0)
    return DEI2N(DEI2NConfig.model_validate(SMALL_BY_MODEL["dei2n"]), dataset.catalogue)


def test_ages_are_cut_at_powers_of_two_of_minutes() -> None:
    ages = torch.tensor([0, 59, 60, 119, 120, 3600, 86400, 2**31 - 1], dtype=torch.int32)
    assert age_bucket(ages).tolist() == [0, 0, 1, 1, 2, 6, 11, TIME_BUCKETS - 1]


def test_the_age_of_a_behaviour_changes_the_score(dataset: Dataset) -> None:
    model, batch = model_with(dataset).eval(), dataset.store.gather(dataset.store.rows("test")[:40])
    with torch.no_grad():
        model.age.weight.copy_(torch.randn_like(model.age.weight))
    older = replace(batch, history_age_s=batch.history_age_s * 50)
    changed = model(older) != model(batch)
    assert changed[batch.history_mask.any(-1)].any()
    assert not changed[~batch.history_mask.any(-1)].any()


def test_the_instant_interest_weighs_what_trigger_and_target_find(dataset: Dataset) -> None:
    model, batch = (
        model_with(dataset).eval(),
        dataset.store.gather(dataset.store.rows("test")[-40:]),
    )
    seen: list[torch.Tensor] = []
    model.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    found: dict[TargetAttention, torch.Tensor] = {}
    for attention in (model.by_trigger, model.by_target):
        plain = attention.jagged
        attention.jagged = lambda *args, a=attention, p=plain: found.setdefault(a, p(*args))  # pyright: ignore
    model.interest.forward = lambda _: torch.tensor([0.0, 3.0]).log().expand(40, 2)  # 0 and 1
    model(batch)
    mixed = seen[0][:, -2 * model.items.width : -model.items.width]
    torch.testing.assert_close(mixed, found[model.by_target])
    model.interest.forward = lambda _: torch.tensor([1.0, 3.0]).log().expand(40, 2)
    model(batch)
    expected = 0.25 * found[model.by_trigger] + 0.75 * found[model.by_target]
    torch.testing.assert_close(seen[1][:, -2 * model.items.width : -model.items.width], expected)
