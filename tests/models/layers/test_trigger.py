import math
from dataclasses import replace

import pytest
import torch

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.data.feature_spec import FeatureSpec, Field
from models.errors import ConfigError
from models.layers.trigger import TriggerCategory, mixed_logit

# Items 2 and 3 are of category 2, item 4 of category 3, item 5 of none that is known.
SPEC = FeatureSpec(
    num_users=4, num_items=6, item_fields=(Field(name="brand", size=9), Field(name="kind", size=4))
)
FIELDS = torch.tensor([[0, 0], [1, 1], [5, 2], [6, 2], [7, 3], [8, 1]], dtype=torch.int32)
CATALOGUE = Catalogue(SPEC, FIELDS)


def batch_of(trigger: list[int], history: list[list[int]], label: list[float]) -> Batch:
    items = torch.tensor(history, dtype=torch.int32)
    none = torch.zeros(len(trigger), 0, dtype=torch.int32)
    codes = torch.tensor(trigger, dtype=torch.int32)
    return Batch(
        user=codes, target_item=codes, trigger_item=codes, history=items, history_mask=items > 0,
        history_age_s=items, user_fields=none, context_fields=none, label=torch.tensor(label),
    )  # fmt: skip


BATCH = batch_of([2, 5, 0, 4], [[3, 4, 2], [5, 5, 0], [0, 0, 0], [4, 0, 0]], [1.0, 1.0, 1.0, 0.0])


def test_behaviours_of_the_triggers_category_are_found_in_both_forms() -> None:
    category = TriggerCategory(CATALOGUE, "kind")
    expected = torch.tensor(
        [[True, False, True], [False] * 3, [False] * 3, [True, False, False]]
    )  # an unknown category is nobody's, and so is that of no trigger
    assert torch.equal(category.padded(BATCH), expected)
    places, offsets = category.jagged(BATCH)
    assert places.tolist() == [0, 2, 5]
    assert offsets.tolist() == [0, 2, 2, 2, 3]


def test_no_more_than_the_newest_behaviours_are_kept() -> None:
    category = TriggerCategory(CATALOGUE, "kind")
    places, offsets = category.jagged(BATCH, newest=1)
    assert places.tolist() == [2, 5]
    assert offsets.tolist() == [0, 1, 1, 1, 2]
    assert category.jagged(BATCH, newest=2)[0].tolist() == category.jagged(BATCH)[0].tolist()


@pytest.mark.parametrize(("field", "alike"), [("kind", True), ("brand", False), (None, False)])
def test_the_category_is_the_field_that_is_named_or_the_first(
    field: str | None, alike: bool
) -> None:
    two, three = torch.tensor([2]), torch.tensor([3])
    assert bool(TriggerCategory(CATALOGUE, field).same(two, three)) == alike


def test_a_field_called_category_is_taken_before_the_first() -> None:
    fields = (SPEC.item_fields[0], Field(name="category", size=4))
    named = replace(CATALOGUE, spec=SPEC.model_copy(update={"item_fields": fields}))
    assert bool(TriggerCategory(named, None).same(torch.tensor([2]), torch.tensor([3])))


def test_items_without_fields_are_categories_of_their_own() -> None:
    bare = replace(
        CATALOGUE, spec=SPEC.model_copy(update={"item_fields": ()}), item_fields=FIELDS[:, :0]
    )
    category = TriggerCategory(bare, None)
    items = torch.tensor([2, 3, 1])
    assert category.same(torch.tensor([2, 2, 1]), items).tolist() == [True, False, False]


def test_a_field_that_items_do_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="Items have no side field 'leaf'"):
        TriggerCategory(CATALOGUE, "leaf")


def test_only_clicks_with_a_trigger_tell_the_intent() -> None:
    """Row 0 clicked its category, row 1 did not; row 2 has no trigger, row 3 no click."""
    targets = torch.tensor([3, 2, 2, 4], dtype=torch.int32)
    logit = torch.tensor([0.5, 0.5, 7.0, 7.0], requires_grad=True)
    loss = TriggerCategory(CATALOGUE, "kind").intent_loss(BATCH, logit, targets)
    expected = (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(0.5))) / 2
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert logit.grad is not None
    assert logit.grad[2:].tolist() == [0.0, 0.0]


def test_without_clicks_there_is_no_intent_to_learn() -> None:
    batch = replace(BATCH, label=torch.zeros(4))
    targets = torch.tensor([3, 2, 2, 4], dtype=torch.int32)
    assert TriggerCategory(CATALOGUE, "kind").intent_loss(batch, torch.ones(4), targets) == 0


def test_the_mixed_logit_is_that_of_the_mixed_probability() -> None:
    intent, first, second = (torch.tensor([value]) for value in (0.4, -1.2, 2.0))
    share = 1 / (1 + math.exp(-0.4))
    probability = share / (1 + math.exp(1.2)) + (1 - share) / (1 + math.exp(-2.0))
    expected = math.log(probability / (1 - probability))
    assert mixed_logit(intent, first, second).item() == pytest.approx(expected, rel=1e-6)


def test_a_mixture_of_certainties_stays_finite() -> None:
    large = torch.tensor([200.0])
    assert mixed_logit(large, large, -large).item() == pytest.approx(200.0, rel=0.01)
    assert mixed_logit(-large, large, -large).item() == pytest.approx(-200.0, rel=0.01)
