import threading
import time

import pytest

from models.encoders.replicas import over_replicas


def test_results_come_in_the_order_of_the_batches_whoever_is_quicker():
    def work(model: float, batch: int) -> tuple[float, int]:
        time.sleep(model)
        return model, batch

    found = list(over_replicas([0.02, 0.0, 0.001], work, range(8)))
    assert [batch for _, batch in found] == list(range(8))
    assert [model for model, _ in found] == [[0.02, 0.0, 0.001][row % 3] for row in range(8)]


def test_devices_work_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    assert list(over_replicas(["a", "b"], lambda model, batch: both.wait() >= 0, range(2)))


def test_a_failure_is_told_and_ends_the_rest():
    done: list[int] = []

    def work(model: str, batch: int) -> None:
        if batch == 0:
            raise MemoryError("no room")
        time.sleep(0.05)
        done.append(batch)

    with pytest.raises(MemoryError, match="no room"):
        list(over_replicas(["a", "b"], work, range(40)))
    assert len(done) < 40


def test_no_batches_give_nothing():
    assert list(over_replicas(["a"], lambda model, batch: batch, [])) == []
