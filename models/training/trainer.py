"""One training for every CTR model: its stages in order, resumable at any step."""

import json
import math
import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.artifacts import Scalar
from models.ctr.base import CTRModel, Stage
from models.ctr.build import build_model
from models.ctr.calibration import Calibration
from models.ctr.config import CTRConfig, TrainingConfig
from models.ctr.saved import LoadedModel, ModelDescription, load_model, save_model
from models.data.catalogue import Catalogue
from models.data.examples import ExampleStore
from models.errors import ConfigError
from models.files import remove_leftovers
from models.intents.labels import IntentLabels
from models.settings import digest
from models.training.calibration import check_calibration, corrections, fit_calibration
from models.training.catalogue import make_catalogue
from models.training.checkpoint import Progress, load_checkpoint
from models.training.determinism import deterministic_algorithms
from models.training.early_stopping import EarlyStopping
from models.training.loop import TrainingLoop, monitored
from models.training.precision import float32_products
from models.training.scoring import Scores, score
from models.training.source import batch_source
from models.training.warm_start import warm_start as start_from
from models.training.warm_start import warm_start_hash

__all__ = ["LoadedModel", "Scores", "load_model", "make_catalogue", "score", "train"]

HISTORY = "history.jsonl"


def train(
    config: CTRConfig,
    store: ExampleStore,
    catalogue: Catalogue,
    intents: IntentLabels | None,
    folder: Path,
    *,
    seed: int,
    resume_folder: Path,
    warm_start: Path | None = None,
) -> dict[str, Scalar]:
    """Train the configured model and write it into ``folder``; return what a summary shows.

    The folder then holds all that scoring needs: weights, catalogue, ``model.json``, the
    vocabularies, and the curves (``history.jsonl``, one row per epoch). The same seed and data
    give the same bytes on a CPU, also when the run was killed and resumed.

    Args:
        config: Model, settings, training.
        store: The example store.
        catalogue: See `make_catalogue`.
        intents: Intent labels; needed by models with a stage that reads them.
        folder: Where the model is written.
        seed: Decides weights, batch order and dropout.
        resume_folder: Where checkpoints are kept until training ends; a checkpoint found there
            is gone on from.
        warm_start: Folder of an older model to start from; only the last stage is then run, as
            the earlier ones give starting weights.

    Raises:
        TrainingError: the loss is not finite, or the resume folder is another run's.
        ConfigError: the settings do not fit the model, the catalogue or this machine.
        IncompatibleArtifactError: the older model is another one, or of other inputs.
    """
    began = time.monotonic()
    device = pick_device(config.training.device)
    check_graphs(config.training, device)
    check_calibration(config.training, store)
    uncalibrated = corrections(config.training, store.summary)
    model = build_model(config, catalogue, seed)
    counts: dict[str, Scalar] = {}
    if warm_start is not None:
        counts = {**start_from(model, config, catalogue, store.vocabularies(), warm_start)}
    progress = _train(
        config.training,
        model.to(device),
        store,
        intents,
        seed=seed,
        resume_folder=resume_folder,
        identity=run_identity(config, store, intents, seed, warm_start),
        stages=model.stages() if warm_start is None else model.stages()[-1:],
    )
    calibration = _calibrate(config.training, model, store, uncalibrated)
    summary = _summary(config, model, progress) | counts | calibration.figures
    description = ModelDescription(
        config=config, spec=store.spec, seed=seed, summary=summary, calibration=calibration
    )
    save_model(model, description, catalogue, folder)
    lines = (json.dumps(row, sort_keys=True) for row in progress.history)
    (folder / HISTORY).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    store.vocabularies().save(folder)
    shutil.rmtree(resume_folder)
    return {**summary, "seconds": round(time.monotonic() - began, 1)}


def check_graphs(config: TrainingConfig, device: torch.device) -> None:
    """Raise `ConfigError` where CUDA graphs are asked for and the device has none."""
    if config.cuda_graphs and device.type != "cuda":
        raise ConfigError(
            f"There are no CUDA graphs on device {device.type!r}.",
            where="training.cuda_graphs",
            allowed="false, or a training on a GPU",
            do="Set training.cuda_graphs: false.",
        )


def pick_device(name: str) -> torch.device:
    """Return the device to train on; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: the device is not here.
    """
    has_gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    if name.startswith("cuda") and not has_gpu:
        raise ConfigError(
            f"There is no device {name!r} on this machine.",
            where="training.device",
            allowed="auto, cpu",
            do="Set training.device: auto.",
        )
    try:
        return torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"{name!r} is no device.", where="training.device", allowed="auto, cpu, cuda, cuda:0 …"
        ) from None


def run_identity(
    config: CTRConfig,
    store: ExampleStore,
    intents: IntentLabels | None,
    seed: int,
    warm_start: Path | None = None,
) -> str:
    """Return a digest of all that determines a run: settings, seed, examples, intents, start."""
    columns = ("user", "target_item", "trigger_item", "label", "split", "history_end")
    parts: dict[str, object] = {name: _checksum(getattr(store, name)) for name in columns}
    if intents is not None:
        parts["intents"] = _checksum(intents.request_intent)
    settings = config.model_dump(mode="json")
    if warm_start is not None:
        parts["warm_start"] = warm_start_hash(warm_start)
    for key in ("checkpoint_every", "checkpoint_seconds", "store_on_device"):
        settings["training"].pop(key)
    return digest([settings, store.spec.model_dump(mode="json"), seed, parts])


def _train(
    config: TrainingConfig,
    model: CTRModel,
    store: ExampleStore,
    intents: IntentLabels | None,
    *,
    seed: int,
    resume_folder: Path,
    identity: str,
    stages: Sequence[Stage],
) -> Progress:
    """Run the stages from their start or from the checkpoint; return where they ended."""
    resume_folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(resume_folder)
    checkpoint = load_checkpoint(resume_folder, identity)
    progress = Progress(identity=identity) if checkpoint is None else checkpoint.progress
    device = next(model.parameters()).device
    with (
        torch.random.fork_rng(),
        deterministic_algorithms(wanted=config.deterministic),
        float32_products(config.float32_products, device),
    ):
        torch.manual_seed(seed)
        loop = TrainingLoop(
            config,
            model,
            store,
            batch_source(store, device, config.store_on_device),
            intents,
            seed=seed,
            resume_folder=resume_folder,
            progress=progress,
        )
        loop.run(stages, checkpoint)
    return progress


def _calibrate(
    config: TrainingConfig, model: CTRModel, store: ExampleStore, uncalibrated: Calibration
) -> Calibration:
    """Return the calibration of the trained model, fitted on the validation rows if asked for."""
    if config.calibration == "none":
        return uncalibrated
    rows = store.rows("valid")
    clicked = np.asarray(store.label)[rows] == 1
    logit = score(model, store, rows).logit
    return fit_calibration(uncalibrated, config.calibration, logit, clicked)


def _summary(config: CTRConfig, model: CTRModel, progress: Progress) -> dict[str, Scalar]:
    last = model.stages()[-1]
    rows = [row for row in progress.history if row["stage"] == last.name]
    stopping = EarlyStopping(
        monitor=monitored(last, config.training),
        patience=config.training.patience,
        min_delta=config.training.min_delta,
    )
    for epoch, row in enumerate(rows):
        value = row.get(stopping.monitor)
        stopping.update(epoch, math.nan if value is None else float(value))
    return {
        "model": config.model,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(progress.history),
        "best_valid_auc": rows[stopping.best_epoch].get("valid/auc") if rows else None,
    }


def _checksum(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)
