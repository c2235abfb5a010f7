"""When a stage has learnt enough, and which of its weights are the best."""

import math

from pydantic import BaseModel

_HIGHER_IS_BETTER = {"valid/auc": True, "valid/log_loss": False, "valid/intent_kl": False}


class EarlyStopping(BaseModel):
    """The best epoch so far, and how many have passed since.

    A figure that cannot be computed (no validation rows, or one class alone) counts as better:
    without evidence, the newest weights are kept.

    Attributes:
        monitor: The figure watched.
        patience: Epochs without improvement that end the stage.
        min_delta: What the figure has to gain to count as an improvement.
        best: Its best value.
        best_epoch: When that was; -1 before the first.
        stale: Epochs since.
    """

    monitor: str
    patience: int
    min_delta: float = 0.0
    best: float | None = None
    best_epoch: int = -1
    stale: int = 0

    @property
    def finished(self) -> bool:
        """Whether the patience is at an end."""
        return self.stale >= self.patience

    def update(self, epoch: int, value: float) -> bool:
        """Take an epoch's figure; return whether its weights are the best so far."""
        if self._improves(value):
            self.best, self.best_epoch, self.stale = value, epoch, 0
            return True
        self.stale += 1
        return False

    def _improves(self, value: float) -> bool:
        if self.best is None or math.isnan(value) or math.isnan(self.best):
            return True
        gain = value - self.best if _HIGHER_IS_BETTER[self.monitor] else self.best - value
        return gain > self.min_delta
