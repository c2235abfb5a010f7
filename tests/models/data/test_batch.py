from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.batch import Batch, JaggedHistory

LENGTHS = st.lists(st.integers(0, 6), max_size=8)


def batch_of(lengths: list[int]) -> Batch:
    rows = len(lengths)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    items = torch.arange(1, 1 + int(offsets[-1]), dtype=torch.int32)
    codes = torch.arange(rows, dtype=torch.int32)
    return Batch.of_jagged(
        JaggedHistory(items, offsets, lambda: 100 * items),
        user=codes,
        target_item=codes,
        trigger_item=codes,
        user_fields=codes[:, None],
        context_fields=codes[:, None],
        label=torch.zeros(rows),
    )


@settings(deadline=None)
@given(lengths=LENGTHS)
def test_the_padded_form_says_what_the_jagged_one_does(lengths: list[int]) -> None:
    batch = batch_of(lengths)
    width = max([1, *lengths])
    assert batch.history.shape == batch.history_mask.shape == (len(lengths), width)
    code = 1
    for row, length in enumerate(lengths):
        want = list(range(code, code + length))
        code += length
        assert batch.history[row].tolist() == want + [0] * (width - length)
        assert batch.history_age_s[row].tolist() == [100 * c for c in want] + [0] * (width - length)
        assert batch.history_mask[row].tolist() == [True] * length + [False] * (width - length)


@settings(deadline=None)
@given(lengths=LENGTHS)
def test_the_jagged_form_of_a_padded_batch_is_the_one_it_came_from(lengths: list[int]) -> None:
    batch = batch_of(lengths)
    again = Batch(**{item.name: getattr(batch, item.name) for item in fields(batch)}).jagged
    assert torch.equal(again.items, batch.jagged.items)
    assert torch.equal(again.offsets, batch.jagged.offsets)
    assert torch.equal(again.ages(), batch.jagged.ages())


def test_padding_is_made_once_and_only_when_asked_for() -> None:
    def never() -> torch.Tensor:
        raise RuntimeError("nobody asked for ages")

    batch = batch_of([2, 0, 3])
    batch.jagged.ages = never
    assert batch.history is batch.history
    assert replace(batch_of([1]), label=torch.ones(1)).history.tolist() == [[1]]
    with pytest.raises(RuntimeError, match="nobody asked"):
        _ = batch.history_age_s


def test_histories_are_gathered_once_and_only_when_asked_for() -> None:
    calls = []

    def gather() -> JaggedHistory:
        calls.append(None)
        return known.jagged

    known = batch_of([2, 0, 3])
    columns = {
        item.name: getattr(known, item.name)
        for item in fields(known)
        if not item.name.startswith("history")
    }
    batch = Batch.of_jagged(gather, **columns)
    moved = batch.to("meta")
    assert batch.size == moved.size == 3
    assert not calls
    assert torch.equal(batch.history, known.history)
    assert batch.jagged is known.jagged
    assert moved.jagged.items.device.type == "meta"
    assert len(calls) == 1
    again = Batch.of_jagged(gather, **columns)
    assert again.gathered() is again
    assert len(calls) == 2


def test_an_unknown_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError, match="histories"):
        _ = batch_of([1]).histories  # pyright: ignore


def test_both_forms_move_to_a_device() -> None:
    moved = batch_of([2, 1]).to("meta")
    assert moved.jagged.items.device.type == moved.jagged.ages().device.type == "meta"
    padded = replace(batch_of([2, 1]), label=torch.ones(2)).to("meta")
    assert padded.history.device.type == "meta"
    same = batch_of([1])
    assert same.to("cpu") is same
