"""The loop: stages, epochs, batches; a checkpoint every so often; the best weights at the end."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.ctr.base import CTRModel, Stage
from models.ctr.config import TrainingConfig
from models.data.examples import ExampleStore
from models.errors import TrainingError
from models.intents.labels import IntentLabels
from models.training.checkpoint import Checkpoint, Progress, save_checkpoint
from models.training.early_stopping import EarlyStopping
from models.training.optimizers import clip_gradients, freeze_outside, make_optimizer
from models.training.stages import epoch_order, stage_batch, stage_loss, stage_rows
from models.training.validation import validate_stage

SMALLEST_BATCH = 32


class TrainingLoop:
    """Trains one model through its stages.

    Args:
        config: The training settings.
        model: The model, on its device.
        store: The example store.
        intents: The intent labels; ``None`` without them.
        seed: Decides the order of the batches.
        resume_folder: Where checkpoints go.
        progress: Where to start.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: CTRModel,
        store: ExampleStore,
        intents: IntentLabels | None,
        *,
        seed: int,
        resume_folder: Path,
        progress: Progress,
    ) -> None:
        self.config, self.model, self.store, self.intents = config, model, store, intents
        self.seed, self.resume_folder, self.progress = seed, resume_folder, progress
        self.device = next(model.parameters()).device
        self.best: dict[str, Tensor] | None = None

    def run(self, checkpoint: Checkpoint | None) -> None:
        """Train all stages, from ``checkpoint`` on if there is one; keep the best weights."""
        stages = self.model.stages()
        while self.progress.stage < len(stages):
            self._run_stage(stages[self.progress.stage], checkpoint)
            checkpoint = None
            self.progress.stage += 1
            self.progress.epoch, self.progress.stopping = 0, None

    def _run_stage(self, stage: Stage, checkpoint: Checkpoint | None) -> None:
        rows, valid_rows = (
            stage_rows(stage, self.store, self.intents, split) for split in ("train", "valid")
        )
        freeze_outside(stage, self.model)
        optimizer = make_optimizer(stage, self.model, self.config)
        self.best = None
        if checkpoint is not None:
            self.model.load_state_dict(checkpoint.part("model"))
            self.best = checkpoint.part("best") or None
            checkpoint.restore_optimizer(optimizer)
            checkpoint.restore_random()
        stopping = self.progress.stopping or EarlyStopping(
            monitor=stage.monitor, patience=self.config.patience
        )
        self.progress.stopping = stopping
        epochs = self.config.max_epochs if stage.epochs is None else stage.epochs
        while self.progress.epoch < epochs and not stopping.finished:
            loss = self._run_epoch(stage, rows, optimizer)
            figures = validate_stage(stage, self.model, self.store, self.intents, valid_rows)
            self._finish_epoch(stage, loss, figures, stopping)
            self._save(optimizer)
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def _run_epoch(self, stage: Stage, rows: np.ndarray, optimizer: torch.optim.Optimizer) -> float:
        """Train the rest of an epoch; return its mean loss."""
        progress, size = self.progress, self._batch_size(stage, len(rows))
        order = epoch_order(rows, self.seed, progress.stage, progress.epoch)
        steps = math.ceil(len(order) / size)
        self.model.train()
        name = f"{stage.name} epoch {progress.epoch + 1}"
        with tqdm(total=steps, initial=progress.step, desc=name, disable=None, leave=False) as bar:
            for step in range(progress.step, steps):
                chunk = order[step * size : (step + 1) * size]
                progress.loss_sum += self._train_step(stage, chunk, optimizer) * len(chunk)
                progress.step = step + 1
                if progress.step % self.config.checkpoint_every == 0 and progress.step < steps:
                    self._save(optimizer)
                bar.update()
        return progress.loss_sum / max(len(order), 1)

    def _batch_size(self, stage: Stage, num_rows: int) -> int:
        asked = stage.batch_size or self.config.batch_size
        return min(asked, max(SMALLEST_BATCH, num_rows // self.config.min_steps))

    def _train_step(
        self, stage: Stage, rows: np.ndarray, optimizer: torch.optim.Optimizer
    ) -> float:
        batch = stage_batch(stage, self.store, self.intents, rows).to(self.device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            loss = stage_loss(stage, self.model, batch)
        value = float(loss.item())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value}.",
                where=f"stage {stage.name!r}, epoch {self.progress.epoch + 1},"
                f" batch {self.progress.step + 1}",
                allowed="a finite loss",
                do="Lower training.learning_rate, or set training.grad_clip (for example 1.0).",
            )
        loss.backward()
        clip_gradients(self.model.parameters(), self.config.grad_clip)
        optimizer.step()
        return value

    def _finish_epoch(
        self,
        stage: Stage,
        loss: float,
        figures: dict[str, float | None],
        stopping: EarlyStopping,
    ) -> None:
        progress = self.progress
        value = figures[stage.monitor]
        if stopping.update(progress.epoch, math.nan if value is None else value):
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        row = {"stage": stage.name, "epoch": progress.epoch, "train/loss": loss, **figures}
        progress.history.append(row)
        progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        save_checkpoint(self.resume_folder, self.progress, self.model, self.best, optimizer)
