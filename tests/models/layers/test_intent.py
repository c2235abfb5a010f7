import pytest
import torch

from models.layers.intent import ExplicitIntent, newest

SEQUENCE = torch.arange(1.0, 9.0).view(2, 4, 1)
MASK = torch.tensor([[True, False, True, True], [False, True, False, False]])


def test_the_newest_real_positions_are_kept_newest_first() -> None:
    kept, mask = newest(SEQUENCE, MASK, limit=2)
    assert kept[0].flatten().tolist() == [4.0, 3.0]
    assert kept[1, 0].item() == 6.0
    assert mask.tolist() == [[True, True], [True, False]]


def test_no_more_positions_are_kept_than_the_longest_row_has() -> None:
    assert newest(SEQUENCE, MASK, limit=50)[0].shape == (2, 3, 1)


@pytest.mark.parametrize("shape", [(2, 0), (0, 3), (2, 3)])
def test_an_empty_subsequence_says_nothing_about_the_target(shape: tuple[int, int]) -> None:
    explicit = ExplicitIntent(item_width=3, width=4, heads=2, limit=5)
    history = torch.randn(*shape, 3)
    subsequence, mask = explicit.relate(history, torch.zeros(shape, dtype=torch.bool))
    result = explicit(torch.randn(shape[0], 3), subsequence, mask)
    assert result.shape == (shape[0], 4)
    assert result.eq(0).all()
