import os
import threading
from collections.abc import Iterator

import pytest
import torch

from models.layers import shares
from models.layers.mlp import MLP
from models.layers.shares import in_shares, single_operations


@pytest.fixture
def three_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(
    ("rows", "row_work", "sizes"),
    [
        (9, 0, [9]),
        (9, 10, [9]),  # no two shares of 50
        (9, 12, [5, 4]),
        (10, 20, [4, 4, 2]),
        (2, 1_000, [1, 1]),
        (0, 1_000, [0]),
    ],
)
def test_every_row_is_in_one_share_and_every_share_has_enough_to_do(
    rows: int, row_work: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "LEAST_WORK", 50)
    found = in_shares(lambda share: list(range(rows)[share]), rows, row_work)
    assert [len(share) for share in found] == sizes
    assert [row for share in found for row in share] == list(range(rows))


@pytest.mark.usefixtures("three_threads")
def test_shares_run_each_operation_alone_on_threads_of_their_own() -> None:
    def work(share: slice) -> tuple[int, int]:
        return torch.get_num_threads(), threading.get_ident()

    found = in_shares(work, 3, shares.LEAST_WORK)
    assert [threads for threads, _ in found] == [1, 1, 1]
    assert found[0][1] == threading.get_ident() not in {found[1][1], found[2][1]}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_single_operations_leave_shares_their_threads() -> None:
    with single_operations():
        assert torch.get_num_threads() == 1
        with single_operations():
            assert len(in_shares(lambda share: share, 6, shares.LEAST_WORK)) == 3
        assert len(in_shares(lambda share: share, 6, shares.LEAST_WORK)) == 3
    assert torch.get_num_threads() == 3
    with single_operations(wanted=False):
        assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("failing", [0, 2])
def test_the_fault_of_a_share_is_raised_and_the_threads_are_given_back(failing: int) -> None:
    def work(share: slice) -> None:
        if share.start == failing:
            raise ValueError(f"share {failing}")

    with pytest.raises(ValueError, match=f"share {failing}"):
        in_shares(work, 3, shares.LEAST_WORK)
    assert torch.get_num_threads() == 3
    assert len(in_shares(lambda share: share, 3, shares.LEAST_WORK)) == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("inference", [True, False])
def test_layers_in_shares_give_what_one_thread_gives(
    inference: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = MLP(3, (5, 4), 1).double()
    rows = torch.randn(8, 3, dtype=torch.double, requires_grad=True)
    found = []
    for least in (shares.LEAST_WORK, 1):
        monkeypatch.setattr(shares, "LEAST_WORK", least)
        with torch.inference_mode(inference):
            result = network(rows)
        found.append([result.clone()])
        if not inference:
            network.zero_grad()
            rows.grad = None
            result.square().sum().backward()
            found[-1] += [rows.grad, *(weight.grad for weight in network.parameters())]
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.usefixtures("three_threads")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    in_shares(lambda share: share, 3, shares.LEAST_WORK)
    child = os.fork()
    if not child:
        os._exit(len(in_shares(lambda share: share, 3, shares.LEAST_WORK)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
