from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.layers.embedding import IdEmbedding
from models.training.optimizers import clip_gradients
from models.training.row_updates import RowAdagrad, RowAdamW, follow, summed_rows

SIZE = 6
ADAM = {"lr": 0.01, "weight_decay": 0.1}
ADAGRAD = {"lr": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.1}
CODES = st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=20)
Optimizer = torch.optim.Optimizer
BY_ROWS: dict[str, Callable[[list[nn.Parameter]], Optimizer]] = {
    "adam": lambda parameters: RowAdamW(parameters, **ADAM),
    "adagrad": lambda parameters: RowAdagrad(parameters, **ADAGRAD),
}
DENSE: dict[str, Callable[[list[nn.Parameter]], Optimizer]] = {
    "adam": lambda parameters: torch.optim.AdamW(parameters, **ADAM),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, **ADAGRAD),
}
EVERY_OPTIMIZER = pytest.mark.parametrize("name", list(BY_ROWS))


def drawn_table() -> IdEmbedding:
    torch.manual_seed(0)
    return IdEmbedding(SIZE, 3).double()


def look_up(table: nn.Module, codes: list[int]) -> None:
    """Leave the gradient of a loss that tells every appearance of every code from the others."""
    table.zero_grad()
    weights = torch.arange(3.0 * len(codes), dtype=torch.float64).view(-1, 3).sin()
    (table(torch.tensor(codes, dtype=torch.int32)) * weights).sum().backward()


@EVERY_OPTIMIZER
def test_where_every_row_is_looked_up_a_step_is_that_of_torch(name: str) -> None:
    ours, theirs = drawn_table(), nn.Embedding(SIZE, 3).double()
    theirs.load_state_dict(ours.state_dict())
    sparse, dense = BY_ROWS[name](list(ours.parameters())), DENSE[name](list(theirs.parameters()))
    for step in range(4):
        codes = [*range(1, SIZE), *[2 + step % 3] * 3]
        for table, optimizer in ((ours, sparse), (theirs, dense)):
            look_up(table, codes)
            optimizer.step()
        torch.testing.assert_close(ours.weight[1:], theirs.weight[1:])


@EVERY_OPTIMIZER
@settings(max_examples=30)
@given(codes=CODES)
def test_rows_that_are_not_looked_up_keep_their_bits(name: str, codes: list[int]) -> None:
    table = drawn_table()
    optimizer = BY_ROWS[name](list(table.parameters()))
    look_up(table, list(range(1, SIZE)))  # from here on every row has moments
    optimizer.step()
    before = table.weight.detach().clone()
    moments = {key: value.clone() for key, value in optimizer.state[table.weight].items()}
    look_up(table, [*codes, 0])
    optimizer.step()
    touched = sorted(set(codes))
    untouched = [row for row in range(SIZE) if row not in touched]
    assert torch.equal(table.weight[untouched], before[untouched])
    assert (table.weight[touched] != before[touched]).any(-1).all()
    for key, value in moments.items():
        if value.ndim:
            assert torch.equal(optimizer.state[table.weight][key][untouched], value[untouched])


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_rows_that_are_seldom_looked_up_go_as_with_a_dense_adam(share: float) -> None:
    ours, theirs = drawn_table(), nn.Embedding(SIZE, 3).double()
    theirs.load_state_dict(ours.state_dict())
    sparse, dense = RowAdamW(ours.parameters(), lr=0.01, weight_decay=0.0), torch.optim.AdamW(
        theirs.parameters(), lr=0.01, weight_decay=0.0
    )  # fmt: skip
    torch.manual_seed(1)
    for _ in range(3):
        with follow(ours, sparse):
            for _ in range(150):
                codes = [1, *(1 + (torch.rand(SIZE - 1) < share).nonzero().squeeze(-1)).tolist()]
                for table, optimizer in ((ours, sparse), (theirs, dense)):
                    look_up(table, codes)
                    optimizer.step()
        torch.testing.assert_close(ours.weight[1:], theirs.weight[1:], rtol=1e-5, atol=1e-7)
    assert not ours._forward_pre_hooks


def test_a_row_has_made_up_for_what_it_missed_when_it_is_looked_up() -> None:
    table, dense = drawn_table(), nn.Embedding(SIZE, 3).double()
    dense.load_state_dict(table.state_dict())
    optimizers = [RowAdamW(table.parameters()), torch.optim.AdamW(dense.parameters())]
    for group in (*optimizers[0].param_groups, *optimizers[1].param_groups):
        group["weight_decay"] = 0.0
    with follow(table, optimizers[0]):
        for codes in ([1, 2, 3], [1], [1], [1]):
            for one, optimizer in zip((table, dense), optimizers, strict=True):
                look_up(one, codes)
                optimizer.step()
        assert not torch.allclose(table.weight[2], dense.weight[2], rtol=1e-6)
        seen = table(torch.tensor([2, 2]))
        torch.testing.assert_close(seen[0], dense.weight[2], rtol=1e-6, atol=0)
        assert not torch.allclose(table.weight[3], dense.weight[3], rtol=1e-6)


@settings(max_examples=30)
@given(codes=CODES)
def test_a_repeated_row_moves_once_by_the_sum_of_its_gradients(codes: list[int]) -> None:
    table = drawn_table()
    look_up(table, codes)
    assert table.weight.grad is not None
    rows, values = summed_rows(table.weight.grad)
    assert sorted(rows.tolist()) == sorted(set(codes))
    dense = torch.zeros(SIZE, 3, dtype=torch.float64)
    dense[rows.long()] = values
    torch.testing.assert_close(dense, table.weight.grad.to_dense())


@EVERY_OPTIMIZER
def test_the_state_survives_being_written_and_read(name: str) -> None:
    tables = [drawn_table(), drawn_table()]
    optimizers = [BY_ROWS[name](list(table.parameters())) for table in tables]
    for table, optimizer in zip(tables, optimizers, strict=True):
        look_up(table, [1, 2, 2])
        optimizer.step()
    fresh = BY_ROWS[name](list(tables[1].parameters()))
    state = optimizers[1].state_dict()
    assert all(
        isinstance(value, Tensor) for part in state["state"].values() for value in part.values()
    )
    fresh.load_state_dict(state)
    for table, optimizer in ((tables[0], optimizers[0]), (tables[1], fresh)):
        look_up(table, [2, 3])
        optimizer.step()
    assert torch.equal(tables[0].weight, tables[1].weight)


@EVERY_OPTIMIZER
def test_dense_and_sparse_gradients_share_an_optimizer(name: str) -> None:
    table, layer = drawn_table(), nn.Linear(3, 1).double()
    optimizer = BY_ROWS[name]([*table.parameters(), *layer.parameters()])
    before = [weight.detach().clone() for weight in (table.weight, layer.weight)]
    layer(table(torch.tensor([2, 2, 3]))).sum().backward()
    optimizer.step()
    assert (table.weight[2:4] != before[0][2:4]).any(-1).all()
    assert torch.equal(table.weight[4:], before[0][4:])
    assert (layer.weight != before[1]).any()
    assert table.weight.grad is not None  # as torch leaves it


def test_clipping_counts_a_repeated_row_once() -> None:
    sparse, dense = drawn_table(), nn.Embedding(SIZE, 3).double()
    for table in (sparse, dense):
        look_up(table, [1, 2, 2, 5])
        clip_gradients(table.parameters(), 0.5)
    assert sparse.weight.grad is not None
    torch.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    assert dense.weight.grad is not None
    torch.testing.assert_close(dense.weight.grad.norm().item(), 0.5, rtol=1e-5, atol=0)
