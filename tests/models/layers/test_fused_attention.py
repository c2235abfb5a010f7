"""The torch form of the fused operator; in float64, which the native kernel leaves to it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.layers import attention, shares
from models.layers.attention import Normalisation, target_attention
from models.layers.attention_blocks import make_plan
from models.layers.fused_attention import UnitWeights

DIM, HIDDEN, TABLE = 3, 5, 7
EVERY_NORMALISATION = pytest.mark.parametrize("normalisation", ["none", "sigmoid", "softmax"])
LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=12)


def drawn(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, UnitWeights]:
    """Query, table, offsets, index and weights."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    offsets = torch.tensor([0, *lengths]).cumsum(0)
    index = torch.randint(TABLE, (int(offsets[-1]),), generator=generator, dtype=torch.int32)
    matrix = (HIDDEN, DIM)
    weights = UnitWeights(
        draw(*matrix), draw(HIDDEN), draw(*matrix), draw(*matrix), draw(HIDDEN), draw(1)
    )
    return draw(len(lengths), DIM), draw(TABLE, DIM), offsets, index, weights


def weights_of(scores: list[float], normalisation: Normalisation) -> list[float]:
    if normalisation == "none":
        return scores
    if normalisation == "sigmoid":
        return [1 / (1 + math.exp(-score)) for score in scores]
    raised = [math.exp(score - max(scores)) for score in scores]
    return [value / sum(raised) for value in raised]


def by_loops(
    query: Tensor,
    table: Tensor,
    bounds: Tensor,
    index: Tensor,
    unit: UnitWeights,
    how: Normalisation,
) -> list[list[float]]:
    """The operator in plain Python."""
    w_q, b_q, w_k, w_p, w_out, b_out = (part.tolist() for part in unit)
    result = []
    for row, q in enumerate(query.tolist()):
        keys = [table[i].tolist() for i in index[bounds[row] : bounds[row + 1]]]
        scores = []
        for key in keys:
            score = b_out[0]
            for a in range(HIDDEN):
                hidden = b_q[a]
                for d in range(DIM):
                    hidden += w_q[a][d] * q[d] + w_k[a][d] * key[d] + w_p[a][d] * q[d] * key[d]
                score += w_out[a] * max(hidden, 0.0)
            scores.append(score)
        shares = weights_of(scores, how) if scores else []
        result.append(
            [sum(w * key[d] for w, key in zip(shares, keys, strict=True)) for d in range(DIM)]
        )
    return result


@EVERY_NORMALISATION
@settings(deadline=None, max_examples=25)
@given(lengths=LENGTHS, limit=st.sampled_from([1, 20, 10_000]))
def test_it_equals_plain_loops_however_the_rows_are_cut(
    normalisation: Normalisation, lengths: list[int], limit: int
) -> None:
    query, table, offsets, index, weights = drawn(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(attention._BLOCK_FLOATS, "cpu", limit * HIDDEN)
        got = target_attention(query, table, offsets, weights, normalisation, index)
    expected = by_loops(query, table, offsets, index, weights, normalisation)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


@EVERY_NORMALISATION
@pytest.mark.parametrize("lengths", [[3, 0, 1, 4], [0, 0], [2]])
@pytest.mark.parametrize("limit", [1, 10_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_its_gradients_are_those_of_finite_differences(
    normalisation: Normalisation,
    lengths: list[int],
    limit: int,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "LEAST_WORK", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setitem(attention._BLOCK_FLOATS, "cpu", limit * HIDDEN)
    query, table, offsets, index, weights = drawn(lengths, seed=1)

    def operator(query: Tensor, table: Tensor, *parts: Tensor) -> Tensor:
        unit = UnitWeights(*parts)
        return target_attention(query, table, offsets, unit, normalisation, index)

    assert torch.autograd.gradcheck(operator, (query, table, *weights))


def test_keys_without_an_index_are_taken_in_order() -> None:
    query, table, offsets, _, weights = drawn([2, 5])
    index = torch.arange(TABLE)
    got = target_attention(query, table, offsets, weights)
    torch.testing.assert_close(got, target_attention(query, table, offsets, weights, index=index))


def test_one_history_is_asked_by_every_query() -> None:
    query, table, _, index, weights = drawn([1, 2, 3])
    one, many = torch.tensor([0, 6]), torch.tensor([0, 6, 12, 18])
    got = target_attention(query, table, one, weights, index=index)
    expected = target_attention(query, table, many, weights, index=index.repeat(3))
    torch.testing.assert_close(got, expected)


@settings(deadline=None)
@given(lengths=LENGTHS, limit=st.integers(1, 60))
def test_the_blocks_hold_every_key_once_and_keep_to_their_limit(
    lengths: list[int], limit: int
) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    total = int(offsets[-1])
    index = torch.arange(total)
    plan = make_plan(offsets, index, total, rows=len(lengths), overhead=2, limit=limit)
    real = plan.key_row[plan.key_row != total]
    assert sorted(real.tolist()) == index.tolist()
    assert sorted(plan.order.tolist()) == [row for row, size in enumerate(lengths) if size]
    for block in plan.blocks:
        rows = block.last - block.first
        assert rows == 1 or rows * (block.width + 2) <= limit
        keys = plan.key_row[block.places].view(rows, block.width)
        for row, of_row in zip(plan.order[block.rows].tolist(), keys.tolist(), strict=True):
            want = list(range(int(offsets[row]), int(offsets[row + 1])))
            assert of_row == want + [total] * (block.width - len(want))
