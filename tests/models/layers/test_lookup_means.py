import torch
from hypothesis import given
from hypothesis import strategies as st

from models.layers.lookup import mean_rows


@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=5))
def test_means_of_rows_and_their_gradient_equal_plain_sums(stretches: list[list[int]]) -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(5, 3, dtype=torch.double, generator=generator, requires_grad=True)
    weights = torch.randn(len(stretches), 3, dtype=torch.double, generator=generator)
    index = torch.tensor([code for stretch in stretches for code in stretch], dtype=torch.int64)
    offsets = torch.tensor([0, *(len(stretch) for stretch in stretches)]).cumsum(0)
    means = mean_rows(table, index, offsets)
    (means * weights).sum().backward()
    gradient = torch.zeros(5, 3, dtype=torch.double)
    for row, stretch in enumerate(stretches):
        expected = torch.zeros(3, dtype=torch.double)
        for code in stretch:
            expected += table.detach()[code] / len(stretch)
            gradient[code] += weights[row] / len(stretch)
        torch.testing.assert_close(means[row].detach(), expected)
    assert table.grad is not None
    torch.testing.assert_close(table.grad, gradient)
