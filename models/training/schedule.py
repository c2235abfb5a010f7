"""The course of the learning rate over the steps of a stage."""

import math

import torch

from models.ctr.config import TrainingConfig


class LearningRate:
    """Sets an optimizer's rates before each step; each group keeps its own scale.

    Args:
        config: Its ``schedule`` and ``warmup_steps``.
        optimizer: With the rates of a constant schedule.
        steps: Steps of the stage at most.
    """

    def __init__(
        self, config: TrainingConfig, optimizer: torch.optim.Optimizer, steps: int
    ) -> None:
        self._optimizer = optimizer
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._schedule, self._warmup, self._steps = config.schedule, config.warmup_steps, steps
        self._constant = config.schedule == "constant" and not config.warmup_steps

    def set(self, step: int) -> None:
        """Set the rates of step ``step`` of the stage, counted from 0."""
        if self._constant:
            return
        factor = self.factor(step)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def factor(self, step: int) -> float:
        """Return what the rates are multiplied by: above 0, and 1 right after the warm-up."""
        if step < self._warmup:
            return (step + 1) / (self._warmup + 1)
        left = 1.0 - (step - self._warmup) / max(self._steps - self._warmup, 1)
        if self._schedule == "linear":
            return left
        return (1.0 - math.cos(math.pi * left)) / 2 if self._schedule == "cosine" else 1.0
