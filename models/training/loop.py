"""The loop: stages, epochs, batches; a checkpoint every so often; the best weights at the end."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.ctr.base import CTRModel, Stage
from models.ctr.config import TrainingConfig
from models.data.examples import ExampleStore
from models.intents.labels import IntentLabels
from models.layers.shares import single_operations
from models.training.calibration import corrections
from models.training.checkpoint import Checkpoint, CheckpointClock, Progress, save_checkpoint
from models.training.early_stopping import EarlyStopping
from models.training.losses import StepLosses
from models.training.optimizers import clip_gradients, freeze_outside, make_optimizer
from models.training.ordering import bucketed, epoch_order
from models.training.row_updates import follow
from models.training.schedule import LearningRate
from models.training.scoring import Examples
from models.training.stages import (
    compiled,
    stage_batch,
    stage_loss,
    stage_rows,
    thin_negatives,
)
from models.training.validation import validate_stage

SMALLEST_BATCH = 32


class TrainingLoop:
    """Trains one model through its stages.

    Args:
        config: The training settings.
        model: The model, on its device.
        store: The example store.
        source: What gives the batches: the store, or its twin on the device.
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
        source: Examples,
        intents: IntentLabels | None,
        *,
        seed: int,
        resume_folder: Path,
        progress: Progress,
    ) -> None:
        self.config, self.model, self.intents = config, model, intents
        self.store, self.source = store, source
        self.seed, self.resume_folder, self.progress = seed, resume_folder, progress
        self.device = next(model.parameters()).device
        self.best: dict[str, Tensor] | None = None
        self.offset = corrections(config, store.summary).train_offset
        self.loss = compiled(stage_loss, config)
        self.compiles = config.compile or config.cuda_graphs
        self.single_operations = model.shares_rows and not (config.bf16 or self.compiles)
        self.clock = CheckpointClock(config.checkpoint_every, config.checkpoint_seconds)

    def run(self, stages: Sequence[Stage], checkpoint: Checkpoint | None) -> None:
        """Train all stages, from ``checkpoint`` on if there is one; keep the best weights."""
        while self.progress.stage < len(stages):
            self._run_stage(stages[self.progress.stage], checkpoint)
            checkpoint = None
            self.progress.stage += 1
            self.progress.epoch, self.progress.stopping = 0, None

    def _run_stage(self, stage: Stage, checkpoint: Checkpoint | None) -> None:
        rows, valid_rows = self._rows(stage, "train"), self._rows(stage, "valid")
        freeze_outside(stage, self.model)
        optimizer = make_optimizer(stage, self.model, self.config)
        epochs = self.config.max_epochs if stage.epochs is None else stage.epochs
        steps = math.ceil(len(rows) / self._batch_size(stage, len(rows)))
        rate = LearningRate(self.config, optimizer, epochs * steps)
        self.best = None
        if checkpoint is not None:
            self.model.load_state_dict(checkpoint.part("model"))
            self.best = checkpoint.part("best") or None
            checkpoint.restore_optimizer(optimizer)
            checkpoint.restore_random()
        stopping = self.progress.stopping or EarlyStopping(
            monitor=monitored(stage, self.config),
            patience=self.config.patience,
            min_delta=self.config.min_delta,
        )
        self.progress.stopping = stopping
        while self.progress.epoch < epochs and not stopping.finished:
            with follow(self.model, optimizer), single_operations(self.single_operations):
                loss = self._run_epoch(stage, rows, optimizer, rate)
            self._finish_epoch(stage, loss, valid_rows, stopping)
            if self.clock.due(None):
                self._save(optimizer)
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def _rows(self, stage: Stage, split: str) -> np.ndarray:
        rows = stage_rows(stage, self.store, self.intents, split)
        if split == "train" and stage.loss == "click":
            return thin_negatives(rows, self.store, self.config.keep_negatives, self.seed)
        return rows

    def _run_epoch(
        self,
        stage: Stage,
        rows: np.ndarray,
        optimizer: torch.optim.Optimizer,
        rate: LearningRate,
    ) -> float:
        """Train the rest of an epoch; return its mean loss."""
        progress, size = self.progress, self._batch_size(stage, len(rows))
        order = self._order(rows, size)
        steps = math.ceil(len(order) / size)
        self.model.train()
        name = f"{stage.name} epoch {progress.epoch + 1}"
        losses = StepLosses(self.device, f"stage {stage.name!r}, epoch {progress.epoch + 1}")
        with tqdm(total=steps, initial=progress.step, desc=name, disable=None, leave=False) as bar:
            for step in range(progress.step, steps):
                chunk = order[step * size : (step + 1) * size]
                rate.set(progress.epoch * steps + step)
                loss = self._train_step(stage, chunk, optimizer)
                progress.loss_sum += losses.add(step, len(chunk), loss)
                progress.step = step + 1
                if progress.step < steps and self.clock.due(progress.step):
                    progress.loss_sum += losses.read()
                    self._save(optimizer)
                bar.update()
        progress.loss_sum += losses.read()
        return progress.loss_sum / max(len(order), 1)

    def _order(self, rows: np.ndarray, size: int) -> np.ndarray:
        seeds = (self.seed, self.progress.stage, self.progress.epoch)
        order = epoch_order(rows, *seeds)
        if self.config.length_buckets == 1:
            return order
        lengths = self.store.history_length(order)
        return bucketed(order, lengths, size, self.config.length_buckets, seeds)

    def _batch_size(self, stage: Stage, num_rows: int) -> int:
        asked = stage.batch_size or self.config.batch_size
        return min(asked, max(SMALLEST_BATCH, num_rows // self.config.min_steps))

    def _train_step(
        self, stage: Stage, rows: np.ndarray, optimizer: torch.optim.Optimizer
    ) -> Tensor:
        """Return the loss of the step's rows before the step."""
        batch = stage_batch(stage, self.source, self.intents, rows).to(self.device)
        if self.compiles:
            batch = batch.gathered()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            loss = self.loss(stage, self.model, batch, self.config.positive_weight)
        loss.backward()
        clip_gradients(self.model.parameters(), self.config.grad_clip)
        optimizer.step()
        return loss

    def _finish_epoch(
        self, stage: Stage, loss: float, valid_rows: np.ndarray, stopping: EarlyStopping
    ) -> None:
        progress = self.progress
        labels = np.asarray(self.store.label)[valid_rows]
        figures = validate_stage(
            stage, self.model, self.source, self.intents, valid_rows, labels, self.offset
        )
        value = figures.get(stopping.monitor)
        if stopping.update(progress.epoch, math.nan if value is None else value):
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        row = {"stage": stage.name, "epoch": progress.epoch, "train/loss": loss, **figures}
        progress.history.append(row)
        progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        began = time.monotonic()
        save_checkpoint(self.resume_folder, self.progress, self.model, self.best, optimizer)
        self.clock.wrote(began)


def monitored(stage: Stage, config: TrainingConfig) -> str:
    """Return the figure by which a stage stops: the training's, if it is one of a click loss."""
    return stage.monitor if stage.loss != "click" else config.monitor or stage.monitor
