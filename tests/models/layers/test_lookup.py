import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.layers.lookup import distinct, sum_rows, take_rows

CODES = st.lists(st.integers(0, 11), max_size=60)


@settings(deadline=None)
@given(codes=CODES)
def test_every_code_is_found_once_and_led_back_to(codes: list[int]) -> None:
    given_codes = torch.tensor(codes, dtype=torch.int32)
    found, place = distinct(given_codes, 12)
    assert sorted(found.tolist()) == sorted(set(codes))
    assert found[place.long()].tolist() == codes


@settings(deadline=None)
@given(index=CODES)
def test_rows_are_summed_as_a_plain_loop_does(index: list[int]) -> None:
    values = torch.from_numpy(np.random.default_rng(0).standard_normal((len(index), 3)))
    total = sum_rows(values, torch.tensor(index, dtype=torch.int32), 12)
    expected = [[0.0] * 3 for _ in range(12)]
    for row, value in zip(index, values.tolist(), strict=True):
        expected[row] = [old + new for old, new in zip(expected[row], value, strict=True)]
    torch.testing.assert_close(total, torch.tensor(expected, dtype=torch.float64))


def test_rows_are_taken_with_the_gradient_of_an_embedding() -> None:
    table = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([[4, 0, 4], [2, 4, 0]], dtype=torch.int32)
    assert torch.equal(take_rows(table, index), table[index.long()])
    assert torch.autograd.gradcheck(lambda rows: take_rows(rows, index), table)
