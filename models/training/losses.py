"""The losses of the steps, read from the device in groups: each reading makes a GPU wait."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from models.errors import TrainingError


class StepLosses:
    """Takes the loss of each step and returns their sum, once known to be finite.

    Args:
        device: Where they are computed. A CPU has no queue to wait for, so each is read at once.
        where: Stage and epoch, for the error.
    """

    def __init__(self, device: torch.device, where: str) -> None:
        self._group = 1 if device.type == "cpu" else 50
        self._where = where
        self._waiting: list[tuple[int, int, Tensor]] = []

    def add(self, step: int, rows: int, loss: Float[Tensor, ""]) -> float:
        """Take the mean loss of ``rows`` examples; return the summed loss of what was read."""
        self._waiting.append((step, rows, loss.detach()))
        return self.read() if len(self._waiting) >= self._group else 0.0

    def read(self) -> float:
        """Return the summed loss of all rows not yet counted.

        Raises:
            TrainingError: a loss is not finite; it names the step.
        """
        if not self._waiting:
            return 0.0
        values = torch.stack([loss for _, _, loss in self._waiting]).tolist()
        total = 0.0
        for (step, rows, _), value in zip(self._waiting, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"The loss became {value}.",
                    where=f"{self._where}, batch {step + 1}",
                    allowed="a finite loss",
                    do="Lower training.learning_rate, or set training.grad_clip (for example 1.0).",
                )
            total += value * rows
        self._waiting.clear()
        return total
