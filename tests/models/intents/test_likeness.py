import pytest
import torch

from models.intents.likeness import Likeness, newest_chosen


def test_the_newest_chosen_events_of_each_row_are_kept() -> None:
    chosen = torch.tensor([True, False, True, True, False, True, True])
    offsets = torch.tensor([0, 4, 4, 5, 7])
    places, starts = newest_chosen(chosen, offsets, limit=2)
    assert places.tolist() == [2, 3, 5, 6]
    assert starts.tolist() == [0, 2, 2, 2, 4]
    assert newest_chosen(chosen[:0], torch.tensor([0, 0]), 2)[1].tolist() == [0, 0]


@pytest.mark.parametrize("width", [16, 6])
def test_likeness_is_the_level_of_the_centred_cosine_whoever_computes_it(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(40, width, generator=generator)
    content[3] = 0.0
    likeness = Likeness(content, content.mean(0), torch.tensor([-0.4, 0.0, 0.3]))
    asking, offsets = torch.tensor([7, 3, 9]), torch.tensor([0, 38, 39, 40])
    items = torch.arange(40).roll(5)
    found = likeness(asking, items, offsets)
    monkeypatch.setenv("INTENTFLOW_NATIVE", "0")
    assert torch.equal(found, likeness(asking, items, offsets))
    centred = torch.nn.functional.normalize(content - content.mean(0), dim=-1)
    cosine = (centred[asking].repeat_interleave(offsets.diff(), 0) * centred[items]).sum(-1)
    expected = (cosine[:, None] > likeness.edges).sum(-1)
    expected[(items == 3) | (torch.arange(40) == 38)] = -1
    assert torch.equal(found, expected)


def test_an_item_tells_nothing_of_itself() -> None:
    content = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 2]), 3).float()
    likeness = Likeness(content, torch.zeros(3), torch.tensor([0.5]))
    asking, offsets = torch.tensor([3, 1]), torch.tensor([0, 4, 6])
    level = likeness.others(asking, torch.tensor([3, 1, 2, 4, 0, 1]), offsets)
    assert level.tolist() == [-1, 0, 1, 0, 1, -1]
    shares = likeness.shares(level, offsets)
    torch.testing.assert_close(shares, torch.tensor([[2 / 3, 1 / 3], [0.0, 1.0]]))
    empty = likeness.shares(level[:0], torch.tensor([0, 0, 0]))
    assert empty.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_steps_of_a_row_are_the_levels_from_each_item_to_the_next() -> None:
    content = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 2]), 3).float()
    content[4] = 0.0  # without content
    likeness = Likeness(content, torch.zeros(3), torch.tensor([0.5]))
    items = torch.tensor([0, 1, 2, 3, 4, 2, 0, 0, 4])
    offsets = torch.tensor([0, 4, 4, 5, 7, 9])
    # 0 and 1 are alike, 1 and 2 are not, 2 and 3 are
    expected = [-1, 1, 0, 1, -1, -1, 0, -1, -1]
    assert likeness.steps(items, offsets).tolist() == expected
    assert likeness.steps(items[6:8], torch.tensor([0, 2])).tolist() == [-1, 1]
    assert likeness.steps(items[:0], torch.tensor([0, 0])).tolist() == []
    assert likeness.steps(items[:2], torch.tensor([0, 2, 2, 2])).tolist() == [-1, 1]
