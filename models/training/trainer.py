"""One training for every CTR model: its stages in order, resumable at any step."""

import json
import shutil
import time
import zlib
from pathlib import Path

import numpy as np
import torch

from models.artifacts import Scalar
from models.ctr.base import CTRModel
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.ctr.saved import LoadedModel, ModelDescription, load_model, save_model
from models.data.catalogue import Catalogue
from models.data.examples import ExampleStore
from models.errors import ConfigError
from models.files import remove_leftovers
from models.intents.labels import IntentLabels
from models.settings import digest
from models.training.catalogue import make_catalogue
from models.training.checkpoint import Progress, load_checkpoint
from models.training.loop import TrainingLoop
from models.training.scoring import Scores, score

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

    Raises:
        TrainingError: the loss is not finite, or the resume folder is another run's.
        ConfigError: the settings do not fit the model, the catalogue or this machine.
    """
    began = time.monotonic()
    device = pick_device(config.training.device)
    identity = run_identity(config, store, intents, seed)
    resume_folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(resume_folder)
    checkpoint = load_checkpoint(resume_folder, identity)
    progress = Progress(identity=identity) if checkpoint is None else checkpoint.progress
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(config, catalogue, seed).to(device)
        if config.training.compile:
            model.compile(dynamic=True)
        loop = TrainingLoop(
            config.training,
            model,
            store,
            intents,
            seed=seed,
            resume_folder=resume_folder,
            progress=progress,
        )
        loop.run(checkpoint)
    summary = _summary(config, model, progress)
    description = ModelDescription(config=config, spec=store.spec, seed=seed, summary=summary)
    save_model(model, description, catalogue, folder)
    lines = (json.dumps(row, sort_keys=True) for row in progress.history)
    (folder / HISTORY).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    store.vocabularies().save(folder)
    shutil.rmtree(resume_folder)
    return {**summary, "seconds": round(time.monotonic() - began, 1)}


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
    config: CTRConfig, store: ExampleStore, intents: IntentLabels | None, seed: int
) -> str:
    """Return a digest of all that determines a run: settings, seed, examples and intents."""
    columns = ("user", "target_item", "trigger_item", "label", "split", "history_end")
    parts: dict[str, object] = {name: _checksum(getattr(store, name)) for name in columns}
    if intents is not None:
        parts["intents"] = _checksum(intents.request_intent)
    settings = config.model_dump(mode="json")
    settings["training"].pop("checkpoint_every")
    return digest([settings, store.spec.model_dump(mode="json"), seed, parts])


def _summary(config: CTRConfig, model: CTRModel, progress: Progress) -> dict[str, Scalar]:
    last = model.stages()[-1]
    rows = [row for row in progress.history if row["stage"] == last.name]
    figures = [row[last.monitor] for row in rows if row.get(last.monitor) is not None]
    best = max((float(value) for value in figures if value is not None), default=None)
    return {
        "model": config.model,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(progress.history),
        "best_valid_auc": best,
    }


def _checksum(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)
