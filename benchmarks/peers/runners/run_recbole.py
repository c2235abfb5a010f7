"""RecBole's models, through its configuration, its data sets and its trainer."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import SPLITS, Stopwatch, leave, read_arrays, read_job, rows_of
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

MODELS: dict[str, dict[str, Any]] = {
    # One list of layers sizes DIN's head and its attention, where nearly all of its time goes: it
    # is given the attention's, and has less to do in the head than the others.
    "din": {"model": "DIN", "layers": [128]},
    "deepfm": {"model": "DeepFM", "layers": [512, 256, 128]},
}
NAME = "prepared"


def prepare(job: dict[str, Any], folder: Path) -> None:
    """Write the rows of each split, and of all, as RecBole's own files."""
    arrays, _ = read_arrays(job)
    (folder / NAME).mkdir(exist_ok=True)
    head = "user_id:token\titem_id_list:token_seq\titem_id:token\tlabel:float\n"
    lines = []
    for row in range(len(arrays["label"])):
        history = " ".join(map(str, arrays["history"][row, : arrays["length"][row]]))
        one = (arrays["user"][row], history, arrays["item"][row], arrays["label"][row])
        lines.append("\t".join(map(str, one)) + "\n")
    for split in SPLITS:
        chosen = "".join(lines[row] for row in rows_of(arrays, split))
        path = folder / NAME / f"{NAME}.{split}.inter"
        path.write_text(head + chosen, encoding="utf-8")


def configuration(job: dict[str, Any], folder: Path) -> Config:
    """Return the configuration of a run."""
    history = job["model"] == "din"
    columns = ["user_id", "item_id", "label"] + ["item_id_list"] * history
    settings: dict[str, Any] = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "benchmark_filename": list(SPLITS),
        "load_col": {"inter": columns},
        "alias_of_item_id": ["item_id_list"] if history else None,
        "LABEL_FIELD": "label",
        "MAX_ITEM_LIST_LENGTH": job["history_length"],
        "embedding_size": 16,
        "mlp_hidden_size": MODELS[job["model"]]["layers"],
        "dropout_prob": 0.0,
        "learning_rate": 1e-3,
        "train_batch_size": job["batch_size"],
        "eval_batch_size": job["batch_size"],
        "epochs": job["max_epochs"],
        "stopping_step": job["patience"],
        "train_neg_sample_args": None,
        "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "TO" if history else "RO",
                      "group_by": None, "mode": "labeled"},  # split and order are the files' own
        "metrics": ["AUC"],
        "valid_metric": "AUC",
        "use_gpu": False,
        "worker": 0,
        "seed": job["seed"],
        "show_progress": False,
        "state": "ERROR",
    }  # fmt: skip
    model = MODELS[job["model"]]["model"]
    return Config(model=model, dataset=NAME, config_dict=settings, config_file_list=[])


def main() -> None:
    """Train one model and score every row."""
    job = read_job()
    folder = Path(job["work"])
    if job["phase"] == "prepare":
        prepare(job, folder)
        return
    arrays, _ = read_arrays(job)
    config = configuration(job, folder)
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train, *others = data_preparation(config, dataset)
    model = get_model(config["model"])(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    watch = Stopwatch()
    trainer._train_epoch = watch.timed("train", trainer._train_epoch)
    best: dict[str, torch.Tensor] = {}

    def keep(*_: Any, **__: Any) -> None:
        best.update({name: value.clone() for name, value in model.state_dict().items()})

    trainer._save_checkpoint = keep  # its own file is a pickle of the whole configuration
    trainer.fit(train, others[0], verbose=False, saved=True, show_progress=False)
    model.load_state_dict(best)
    model.eval()
    probabilities = np.zeros(len(arrays["label"]))
    for _ in range(job["repeats"]):
        with watch.span("score"), torch.no_grad():
            for split, loader in zip(SPLITS[1:], others, strict=True):
                parts = [model.predict(batch[0]).numpy() for batch in loader]
                probabilities[rows_of(arrays, split)] = np.concatenate(parts)
    scored = sum(len(rows_of(arrays, split)) for split in SPLITS[1:])
    leave(job, watch, probabilities, scored)


if __name__ == "__main__":
    main()
