import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from models.ctr.config import TrainingConfig
from models.training.schedule import LearningRate


def rates(steps: int, **settings: object) -> list[float]:
    """The rate of the first of two groups at every step; the second has a tenth of it."""
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 2.0}, {"params": [weights[1]], "lr": 0.2}]
    optimizer = torch.optim.SGD(groups)
    schedule = LearningRate(TrainingConfig.model_validate(settings), optimizer, steps)
    found = []
    for step in range(steps):
        schedule.set(step)
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert second == pytest.approx(first / 10)
        found.append(first)
    return found


def test_a_constant_schedule_leaves_the_rates_alone() -> None:
    assert rates(5) == [2.0] * 5


def test_a_warm_up_rises_evenly_to_the_rate() -> None:
    assert rates(6, warmup_steps=3) == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])


def test_linear_falls_evenly_and_never_reaches_zero() -> None:
    assert rates(4, schedule="linear") == pytest.approx([2.0, 1.5, 1.0, 0.5])


def test_cosine_falls_slowly_first_and_last() -> None:
    found = rates(100, schedule="cosine", warmup_steps=0)
    assert found[50] == pytest.approx(1.0)
    assert found[25] == pytest.approx(1 + math.cos(math.pi / 4))
    assert all(a > b > 0 for a, b in pairwise(found))


def test_a_warm_up_longer_than_the_training_stays_below_the_rate() -> None:
    assert max(rates(5, warmup_steps=50, schedule="cosine")) < 0.3


def test_rates_follow_an_optimizer_whose_state_was_loaded() -> None:
    """Loading replaces an optimizer's groups: a schedule must not hold the old ones."""
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = LearningRate(TrainingConfig(schedule="linear"), optimizer, 10)
    optimizer.load_state_dict(optimizer.state_dict())
    schedule.set(5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
