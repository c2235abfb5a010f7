"""The one data set of the training benchmark, in our store and as plain arrays for the peers."""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.metrics.ranking import auc, gauc

HISTORY_LENGTH = 50
DATASET = "movielens-latest-small"


@dataclass(frozen=True)
class Prepared:
    """Where the data lies, and what it is.

    Attributes:
        folder: Holds ``examples`` (our store), ``arrays.npz`` and ``sizes.json``.
        digest: SHA-256 of the arrays: equal digests are equal data.
        arrays: The arrays; see `prepare`.
    """

    folder: Path
    digest: str
    arrays: dict[str, np.ndarray]

    @property
    def train_rows(self) -> int:
        """Number of rows an epoch learns from."""
        return int((self.arrays["split"] == 0).sum())

    def figures(self, probabilities: np.ndarray) -> dict[str, float]:
        """Return the test AUC and GAUC of a probability for every row."""
        test = self.arrays["split"] == 2
        labels, users = self.arrays["label"][test], self.arrays["user"][test]
        return {
            "auc": float(auc(labels, probabilities[test])),
            "gauc": float(gauc(labels, probabilities[test], users).value),
        }


def source(given: Path | None) -> Path:
    """Return the MovieLens folder: the one given, INTENTFLOW_REAL_DATA's, or the shipped one."""
    if given is not None:
        return given
    real = os.environ.get("INTENTFLOW_REAL_DATA")
    return (Path(real) if real else Path("data")) / DATASET


def prepare(raw: Path, folder: Path) -> Prepared:
    """Build the store and the arrays of a MovieLens download into ``folder``.

    Ratings above 3 are positive, below 3 negative; 8:1:1 of each user's own in order of time; a
    history holds the newest positives before the impression. Users and items are ids alone, as not
    every peer takes side fields of a history. Arrays, one row an example: ``user``, ``item``,
    ``label``, ``split``, ``history`` (oldest first, then zeros), ``length``, ``timeline_length``
    (positives before it, of whatever age); and every user's positives as ``timeline_items`` from
    ``timeline_offsets``.
    """
    config = DatasetConfig.model_validate(
        {
            "adapter": "movielens",
            "settings": {"path": str(raw.resolve()), "positive_above": 3, "negative_below": 3},
            "examples": {
                "history_days": None,
                "history_length": HISTORY_LENGTH,
                "trigger": "none",
                "split": {"kind": "ratio", "ratio": [8, 1, 1], "scope": "user"},
            },
        }
    )
    tables = load_dataset(config, Path.cwd())
    bare = tables.spec.model_copy(update={"item_fields": (), "item_numeric": ()})
    build_example_store(replace(tables, spec=bare), config.examples, folder / "examples", seed=0)
    store = ExampleStore.open(folder / "examples")
    arrays = _arrays(store)
    np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)
    sizes = {"num_users": store.spec.num_users, "num_items": store.spec.num_items}
    (folder / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")
    hashed = hashlib.sha256(json.dumps(sizes).encode())
    for name, array in sorted(arrays.items()):
        hashed.update(f"{name} {array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return Prepared(folder, hashed.hexdigest(), arrays)


def _arrays(store: ExampleStore) -> dict[str, np.ndarray]:
    batch = store.gather(np.arange(store.num_examples))
    users = range(store.spec.num_users)
    timelines = [store.timeline(user)[0] for user in users]
    offsets = np.cumsum([0, *(len(items) for items in timelines)])
    user = batch.user.numpy()
    return {
        "user": user,
        "item": batch.target_item.numpy(),
        "label": batch.label.numpy().astype(np.int8),
        "split": np.asarray(store.split),
        "history": batch.history.numpy(),
        "length": batch.history_mask.sum(1).numpy().astype(np.int32),
        "timeline_length": (store.history_end - store.timeline_start[user]).astype(np.int32),
        "timeline_items": np.concatenate(timelines),
        "timeline_offsets": offsets,
    }
