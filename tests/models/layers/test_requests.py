from dataclasses import replace

import pytest
import torch

from models.data.batch import Batch
from models.layers.requests import Requests

USERS = [1, 2, 2, 2, 3, 1, 1]
HISTORIES = [[5, 6], [7, 8, 9], [7, 8, 9], [7, 8, 9], [], [5, 6], [5, 6]]


def batch_of(rows: list[int]) -> Batch:
    """Rows 1 to 3 ask the same, and so do 0, 5 and 6."""
    history = torch.zeros(len(rows), 3, dtype=torch.int32)
    for place, row in enumerate(rows):
        history[place, : len(HISTORIES[row])] = torch.tensor(HISTORIES[row])
    user = torch.tensor([USERS[row] for row in rows], dtype=torch.int32)
    return Batch(
        user=user,
        target_item=torch.arange(len(rows), dtype=torch.int32),
        trigger_item=user + 4,
        history=history,
        history_mask=history > 0,
        history_age_s=history * 10,
        user_fields=user[:, None] * torch.tensor([1, 2], dtype=torch.int32),
        context_fields=torch.arange(len(rows), dtype=torch.int32)[:, None],
        label=torch.zeros(len(rows)),
    )


def test_neighbours_that_ask_the_same_are_one_request() -> None:
    batch = batch_of(list(range(7)))
    requests = Requests.of(batch)
    assert requests.starts is not None
    assert requests.starts.tolist() == [0, 1, 4, 5, 7]
    for name in ("user", "trigger_item", "user_fields", "history", "history_age_s"):
        expected = getattr(batch, name)[requests.starts[:-1]]
        assert torch.equal(getattr(requests.batch, name), expected)
    assert torch.equal(requests.events(batch.jagged.items), requests.batch.jagged.items)
    assert torch.equal(requests.rows(batch.user), requests.batch.user)
    each = requests.each(torch.arange(4.0)[:, None])
    assert each.flatten().tolist() == [0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("column", ["user", "trigger_item", "user_fields", "history"])
def test_rows_that_differ_in_one_thing_are_requests_of_their_own(column: str) -> None:
    batch = batch_of(list(range(7)))
    changed = getattr(batch, column).clone()
    changed[2 if changed.ndim == 1 else (2, 1)] += 1
    starts = Requests.of(replace(batch, **{column: changed})).starts
    assert starts is not None
    assert starts.tolist() == [0, 1, 2, 3, 4, 5, 7]


@pytest.mark.parametrize("rows", [[0, 1, 4, 5, 2], [1], []])
def test_rows_that_all_differ_stay_as_they_are(rows: list[int]) -> None:
    batch = batch_of(rows)
    requests = Requests.of(batch)
    assert requests.batch is batch
    assert requests.starts is None
    values = torch.ones(len(rows), 2)
    assert requests.each(values) is requests.rows(values) is requests.events(values) is values
