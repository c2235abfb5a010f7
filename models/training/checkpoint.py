"""Checkpoints: one safetensors file with everything a killed run needs to go on bit-equal.

Weights, best weights, optimizer state and random generators are its tensors; the position in the
data and the curves are JSON in its metadata. It is replaced atomically.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.errors import TrainingError
from models.files import write_bytes
from models.training.early_stopping import EarlyStopping

CHECKPOINT = "checkpoint.safetensors"


class Progress(BaseModel):
    """Where training stands.

    Attributes:
        identity: Digest of all that determines the run; another run's checkpoint is refused.
        stage: Index of the stage.
        epoch: Epoch within it.
        step: Batches of that epoch already done.
        loss_sum: Sum of their losses, weighted by their rows.
        stopping: Early stopping of the stage; ``None`` before its first batch.
        history: One row of figures per finished epoch.
    """

    identity: str
    stage: int = 0
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    stopping: EarlyStopping | None = None
    history: list[dict[str, str | int | float | None]] = []


class CheckpointClock:
    """When the next checkpoint is due: writing them is to take a small share of the time.

    Args:
        every: Steps between checkpoints within an epoch.
        seconds: Seconds between them at least.
    """

    _TIMES_AS_LONG = 20.0

    def __init__(self, every: int, seconds: float) -> None:
        self._every, self._seconds = every, seconds
        self._written = time.monotonic()
        self._took = 0.0

    def due(self, step: int | None) -> bool:
        """Tell whether a checkpoint is to be written after ``step``, or after an epoch (None)."""
        since = time.monotonic() - self._written
        if since < self._TIMES_AS_LONG * self._took:
            return False
        return step is None or (step % self._every == 0 and since >= self._seconds)

    def wrote(self, began: float) -> None:
        """Take note of a checkpoint whose writing began at monotonic time ``began``."""
        self._written = time.monotonic()
        self._took = self._written - began


def save_checkpoint(
    folder: Path,
    progress: Progress,
    model: nn.Module,
    best: dict[str, Tensor] | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Replace the checkpoint in ``folder``."""
    state = optimizer.state_dict()["state"]
    tensors = {
        **{f"model/{name}": value for name, value in model.state_dict().items()},
        **{f"best/{name}": value for name, value in (best or {}).items()},
        **{
            f"optimizer/{index}/{name}": torch.as_tensor(value)
            for index, values in state.items()
            for name, value in values.items()
        },
        "random/cpu": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(folder / CHECKPOINT, save(stored, {"progress": progress.model_dump_json()}))


class Checkpoint(BaseModel, arbitrary_types_allowed=True):
    """A checkpoint read back."""

    progress: Progress
    tensors: dict[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors whose names start with ``name/``, without that prefix."""
        prefix = f"{name}/"
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(prefix)
        }

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the stored state into a freshly made optimizer of the same parameters."""
        state: dict[int, dict[str, Any]] = {}
        for key, tensor in self.part("optimizer").items():
            index, _, name = key.partition("/")
            state.setdefault(int(index), {})[name] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})

    def restore_random(self) -> None:
        """Set the random generators to where they stood."""
        torch.set_rng_state(self.tensors["random/cpu"])
        if "random/cuda" in self.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.tensors["random/cuda"])


def load_checkpoint(folder: Path, identity: str) -> Checkpoint | None:
    """Return the checkpoint in ``folder``; ``None`` where there is none.

    Raises:
        TrainingError: it is unreadable, or of another configuration, seed or data.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress.model_validate_json(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValidationError, KeyError, OSError, json.JSONDecodeError) as error:
        raise TrainingError(
            f"The checkpoint cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            do="Delete the file to train from the start.",
        ) from None
    if progress.identity != identity:
        raise TrainingError(
            "The checkpoint belongs to another run: configuration, seed or data differ.",
            where=str(path),
            do="Give another resume folder, or delete this one to train from the start.",
        )
    return Checkpoint(progress=progress, tensors=tensors)
