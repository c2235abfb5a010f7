"""torch-rechub's models, through its `DataGenerator` and `CTRTrainer`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Stopwatch, leave, read_arrays, read_job, rows_of
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DIEN, DIN, DCNv2, DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator, TorchDataset

HIDDEN = [512, 256, 128]
WIDTH = 16


def build(model: str, sizes: dict[str, int]) -> Any:
    """Return the model, its sizes those of all libraries."""
    user = SparseFeature("user", sizes["num_users"], WIDTH)
    item = SparseFeature("item", sizes["num_items"], WIDTH, padding_idx=0)

    def sequence(name: str, pooling: str) -> SequenceFeature:
        return SequenceFeature(
            name, sizes["num_items"], WIDTH, pooling=pooling, shared_with="item", padding_idx=0
        )

    if model == "din":
        unit = {"dims": [128], "activation": "relu"}
        return DIN([user], [sequence("history", "concat")], [item], {"dims": HIDDEN}, unit)
    if model == "dien":
        histories = [sequence(name, "concat") for name in ("history", "drawn")]
        return DIEN([user], histories[:1], histories[1:], [item], {"dims": HIDDEN})
    if model == "dcnv2":
        features = [user, item, sequence("history", "mean")]
        return DCNv2(features, 3, {"dims": HIDDEN}, use_low_rank_mixture=False)
    return DeepFM([user, item], [user, item], {"dims": HIDDEN})


def columns(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what the model reads; DIEN wants a drawn behaviour beside every real one."""
    read = {"user": arrays["user"], "item": arrays["item"]}
    if job["model"] != "deepfm":
        read["history"] = arrays["history"].astype(np.int64)
    if job["model"] == "dien":
        random = np.random.default_rng(job["seed"])
        drawn = random.choice(arrays["timeline_items"], size=arrays["history"].shape)
        read["drawn"] = np.where(arrays["history"] > 0, drawn, 0).astype(np.int64)
    return read


def main() -> None:
    """Train one model and score every row."""
    job = read_job()
    arrays, sizes = read_arrays(job)
    read, labels = columns(job, arrays), arrays["label"].astype(np.float32)
    part = {
        split: ({name: column[rows_of(arrays, split)] for name, column in read.items()},
                labels[rows_of(arrays, split)])
        for split in ("train", "valid", "test")
    }  # fmt: skip
    train, valid, _ = DataGenerator(*part["train"]).generate_dataloader(
        *part["valid"], *part["test"], batch_size=job["batch_size"]
    )
    trainer = CTRTrainer(
        build(job["model"], sizes),
        optimizer_params={"lr": 1e-3},
        n_epoch=job["max_epochs"],
        earlystop_patience=job["patience"],
        model_path=str(Path(job["work"])),
        loss_mode=job["model"] != "dien",
    )
    watch = Stopwatch()
    trainer.train_one_epoch = watch.timed("train", trainer.train_one_epoch)
    trainer.fit(train, valid)
    if trainer.early_stopper.best_weights is not None:
        trainer.model.load_state_dict(trainer.early_stopper.best_weights)
    every_row = torch.utils.data.DataLoader(
        TorchDataset(read, labels), batch_size=job["batch_size"]
    )
    probabilities = np.zeros(0)
    for _ in range(job["repeats"]):
        with watch.span("score"):
            probabilities = np.array(trainer.predict(trainer.model, every_row))
    leave(job, watch, probabilities)


if __name__ == "__main__":
    main()
