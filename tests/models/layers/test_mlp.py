import torch

from models.layers.mlp import MLP, join


def test_one_row_is_repeated_beside_many() -> None:
    joined = join(torch.ones(1, 2), torch.zeros(3, 1))
    assert joined.tolist() == [[1.0, 1.0, 0.0]] * 3


def test_no_candidates_give_no_rows() -> None:
    assert join(torch.ones(1, 2), torch.zeros(0, 1)).shape == (0, 3)


def test_the_width_is_that_of_the_last_layer() -> None:
    assert MLP(3, (5, 4)).width == 4
    assert MLP(3, (5, 4), output=2).width == 2
    assert MLP(3, (5, 4), output=2)(torch.zeros(7, 3)).shape == (7, 2)
