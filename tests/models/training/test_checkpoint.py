from pathlib import Path

import pytest
import torch

from models.ctr.base import Stage
from models.ctr.build import build_model
from models.ctr.config import TrainingConfig
from models.training import checkpoint as module
from models.training.checkpoint import (
    CHECKPOINT,
    CheckpointClock,
    Progress,
    load_checkpoint,
    save_checkpoint,
)
from models.training.optimizers import make_optimizer
from tests.models.training.synthetic import Dataset, small_config


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_a_checkpoint_is_due_after_so_many_steps_and_so_many_seconds(clock: Clock) -> None:
    due = CheckpointClock(every=10, seconds=5.0).due
    assert not due(10)
    clock.now += 6
    assert due(10)
    assert not due(11)
    assert due(None)


def test_writing_takes_a_twentieth_of_the_time_at_most(clock: Clock) -> None:
    checkpoints = CheckpointClock(every=1, seconds=0.0)
    assert checkpoints.due(1)
    clock.now += 3
    checkpoints.wrote(began=clock.now - 3)
    for after, expected in ((0, False), (59, False), (2, True)):
        clock.now += after
        assert checkpoints.due(2) is expected
        assert checkpoints.due(None) is expected


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_a_checkpoint_gives_back_every_bit(
    optimizer: str, dataset: Dataset, tmp_path: Path
) -> None:
    config = TrainingConfig.model_validate({"optimizer": optimizer})
    model = build_model(small_config("din"), dataset.catalogue, 0)
    steps = make_optimizer(Stage("joint"), model, config)
    for start in (0, 40):
        batch = dataset.store.gather(dataset.store.rows("train")[start : start + 40])
        steps.zero_grad()
        model(batch).sum().backward()
        steps.step()
    best = {name: value + 1 for name, value in model.state_dict().items()}
    save_checkpoint(tmp_path, Progress(identity="x", loss_sum=0.1 + 0.2), model, best, steps)
    expected = torch.rand(4)
    read = load_checkpoint(tmp_path, "x")
    assert read is not None
    read.restore_random()
    assert torch.equal(torch.rand(4), expected)
    assert read.progress.loss_sum == 0.1 + 0.2
    for name, value in model.state_dict().items():
        assert torch.equal(read.part("model")[name], value)
        assert torch.equal(read.part("best")[name], best[name])
    other = make_optimizer(Stage("joint"), model, config)
    read.restore_optimizer(other)
    states, again = (one.state_dict()["state"] for one in (steps, other))
    assert states.keys() == again.keys()
    for index, state in states.items():
        assert all(torch.equal(state[key], again[index][key]) for key in state)


def test_a_write_that_fails_leaves_the_older_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    model = build_model(small_config("din"), dataset.catalogue, 0)
    optimizer = make_optimizer(Stage("joint"), model, TrainingConfig())
    save_checkpoint(tmp_path, Progress(identity="x"), model, None, optimizer)
    older = (tmp_path / CHECKPOINT).read_bytes()
    # Tensors that share memory cannot be stored: the failure is a real one.
    shared = torch.zeros(4)
    with pytest.raises(RuntimeError):
        save_checkpoint(
            tmp_path, Progress(identity="x"), model, {"a": shared, "b": shared[:2]}, optimizer
        )
    assert (tmp_path / CHECKPOINT).read_bytes() == older
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
