import pytest
import torch

from models.errors import TrainingError
from models.training.losses import StepLosses


def test_the_sum_is_weighed_by_rows_however_it_is_read() -> None:
    for device in ("cpu", "meta"):  # a device with a queue is read in groups
        losses, total = StepLosses(torch.device(device), "here"), 0.0
        for step in range(120):
            total += losses.add(step, 3, torch.tensor(0.5))
        assert total + losses.read() == 180.0
        assert losses.read() == 0.0


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_first_loss_that_is_not_finite_is_named_by_its_step(device: str) -> None:
    losses = StepLosses(torch.device(device), "stage 'joint', epoch 2")
    values = [0.1, 0.2, float("nan"), float("inf")]

    def train() -> None:
        for step, value in enumerate(values, start=10):
            losses.add(step, 1, torch.tensor(value))
        losses.read()

    with pytest.raises(TrainingError, match=r"(?s)became nan.*epoch 2, batch 13"):
        train()
