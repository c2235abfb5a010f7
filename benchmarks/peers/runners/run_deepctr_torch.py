"""DeepCTR-Torch's models, through `compile`, `fit` and `predict`."""

from typing import Any

import numpy as np
import torch
from deepctr_torch.callbacks import Callback, EarlyStopping
from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
from deepctr_torch.models import DCN, DIEN, DIN, DeepFM
from measuring import Stopwatch, leave, read_arrays, read_job, rows_of

HIDDEN = (512, 256, 128)
WIDTH = 16


class Epochs(Callback):
    """Counts every epoch; what its validation takes is counted apart."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch = watch
        self.span: Any = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the stretch."""
        self.span = self.watch.span("train")
        self.span.__enter__()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End it."""
        self.span.__exit__(None, None, None)


def build(job: dict[str, Any], sizes: dict[str, int]) -> Any:
    """Return the model, its sizes those of all libraries."""
    user = SparseFeat("user", sizes["num_users"], embedding_dim=WIDTH)
    item = SparseFeat("item", sizes["num_items"], embedding_dim=WIDTH)
    items = SparseFeat("hist_item", sizes["num_items"], embedding_dim=WIDTH, embedding_name="item")
    history = VarLenSparseFeat(
        items, maxlen=job["history_length"], length_name="seq_length", combiner="mean"
    )
    shared: dict[str, Any] = {"dnn_hidden_units": HIDDEN, "seed": job["seed"]}
    if job["model"] == "din":
        return DIN([user, item, history], ["item"], att_hidden_size=(128,),
                   att_activation="relu", **shared)  # fmt: skip
    if job["model"] == "dien":
        return DIEN([user, item, history], ["item"], gru_type="AUGRU",
                    att_hidden_units=(128,), **shared)  # fmt: skip
    if job["model"] == "dcnv2":
        features = [user, item, history]
        return DCN(features, features, cross_num=3, cross_parameterization="matrix", **shared)
    return DeepFM([user, item], [user, item], **shared)


def main() -> None:
    """Train one model and score every row."""
    job = read_job()
    arrays, sizes = read_arrays(job)
    model, watch = build(job, sizes), Stopwatch()
    named = {
        "user": arrays["user"],
        "item": arrays["item"],
        "hist_item": arrays["history"],
        "seq_length": arrays["length"],
    }
    inputs = {name: named[name] for name in model.feature_index}
    labels = arrays["label"].astype(np.float32)
    part = {
        split: ({name: column[rows_of(arrays, split)] for name, column in inputs.items()},
                labels[rows_of(arrays, split)])
        for split in ("train", "valid")
    }  # fmt: skip
    model.compile(torch.optim.Adam(model.parameters(), lr=1e-3), "binary_crossentropy", ["auc"])
    model.evaluate = watch.timed("valid", model.evaluate)
    stopping = EarlyStopping(
        monitor="val_auc", patience=job["patience"], mode="max", restore_best_weights=True
    )
    model.fit(
        *part["train"], batch_size=job["batch_size"], epochs=job["max_epochs"], verbose=0,
        validation_data=part["valid"], callbacks=[Epochs(watch), stopping],
    )  # fmt: skip
    probabilities = np.zeros(0)
    for _ in range(job["repeats"]):
        with watch.span("score"):
            probabilities = model.predict(inputs, job["batch_size"])
    leave(job, watch, probabilities)


if __name__ == "__main__":
    main()
