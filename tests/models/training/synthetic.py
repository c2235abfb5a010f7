"""A small data set with a known rule, made by the real builders: what the model tests learn from.

Items lie in groups; a user likes some groups and clicks what is of them. Specific users like the
group of their trigger, broad ones the others, so intent differs by user as well.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from models.ctr.config import CTRConfig
from models.data.catalogue import Catalogue
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from models.data.schema import DatasetSpec
from models.data.tables import Tables
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.training.trainer import make_catalogue

GROUPS = 6
SMALL = {
    "embedding_dim": 4,
    "head": [16, 8],
    "attention_hidden": 8,
}
SMALL_BY_MODEL = {
    "din": SMALL,
    "dien": {"embedding_dim": 4, "head": [16, 8]},
    "dcnv2": {"embedding_dim": 4, "head": [16, 8], "cross_layers": 2},
    "deepfm": {"embedding_dim": 4, "head": [16, 8]},
    "poso": {**SMALL, "code_dim": 2, "gate_hidden": 4},
    "mwuf": {**SMALL, "meta_hidden": 4},
    "dihn": {**SMALL, "heads": 2, "intent_hidden": [8]},
    "dian": {
        "embedding_dim": 4,
        "head": [16, 8],
        "attention_width": 8,
        "heads": 2,
        "intent_hidden": [8],
    },
    "dei2n": {**SMALL, "interest_hidden": [8], "time_dim": 4},
    "daian": {
        **SMALL,
        "intent_width": 8,
        "heads": 2,
        "similarity_width": 4,
        "uim_hidden": [8],
        "uim_epochs": 5,
        "uim_batch_size": 64,
    },
}


@dataclass(frozen=True)
class Dataset:
    store: ExampleStore
    content: np.ndarray
    intents: IntentLabels
    catalogue: Catalogue


def small_config(name: str, **training: object) -> CTRConfig:
    """The smallest sensible settings of a registered model; its defaults where none are known."""
    training = {"min_steps": 1, "checkpoint_seconds": 0, **training}
    return CTRConfig.model_validate(
        {"model": name, "settings": SMALL_BY_MODEL.get(name, {}), "training": training}
    )


def make_tables(users: int = 40, items: int = 60, requests: int = 8, targets: int = 6) -> Tables:
    random = np.random.default_rng(0)
    group = np.arange(items) % GROUPS
    likes = np.stack([random.permutation(GROUPS)[:2] for _ in range(users)])
    user = np.repeat(np.arange(users), requests)
    time = 1_600_000_000 + 3600 * np.tile(np.arange(requests), users) + 7 * user
    broad = user % 2 == 1
    trigger_group = likes[user, random.integers(0, 2, len(user))]
    trigger = trigger_group + GROUPS * random.integers(0, items // GROUPS, len(user))
    target = random.integers(0, items, (len(user), targets))
    # Half of the targets are of a liked group, so that both classes are common.
    liked = likes[user[:, None], random.integers(0, 2, target.shape)]
    target = np.where(random.random(target.shape) < 0.5, liked + target // GROUPS * GROUPS, target)
    target = np.minimum(target, items - 1)
    of_liked = (group[target][:, :, None] == likes[user][:, None]).any(-1)
    of_trigger = group[target] == trigger_group[:, None]
    click = of_liked & (of_trigger | broad[:, None])
    row, column = np.nonzero(np.ones_like(target, dtype=bool))
    impressions = pl.DataFrame(
        {
            "impression_id": np.arange(len(row)),
            "request_id": row.astype(np.int64),
            "user_id": user[row],
            "item_id": target[row, column],
            "timestamp": time[row],
            "label": click[row, column].astype(np.int8),
            "trigger_item_id": pl.Series(trigger[row]).set(pl.Series(row % 11 == 0), None),
            "page": [f"p{i % 3}" for i in row],
        }
    ).with_columns(pl.col("timestamp").cast(pl.Int64))
    clicked = impressions.filter(pl.col("label") == 1)
    return Tables(
        spec=DatasetSpec(
            name="synthetic", item_text=("title",), item_fields=("kind",),
            user_fields=("city",), context_fields=("page",),
        ),
        items=pl.DataFrame(
            {"item_id": np.arange(items), "title": [f"item {i}" for i in range(items)],
             "kind": [f"kind {i}" for i in group]}
        ),
        users=pl.DataFrame(
            {"user_id": np.arange(users), "city": [f"city {i % 4}" for i in range(users)]}
        ),
        impressions=impressions,
        behaviours=clicked.select(
            "user_id", "item_id", "timestamp", pl.lit("click").alias("kind")
        ),
    )  # fmt: skip


def make_dataset(folder: Path, **size: int) -> Dataset:
    tables = make_tables(**size)
    config = ExamplesConfig(history_days=None, history_length=12)
    build_example_store(tables, config, folder / "store", seed=0)
    store = ExampleStore.open(folder / "store")
    random = np.random.default_rng(1)
    content = np.zeros((store.spec.num_items, 8), np.float32)
    known = store.item_ids[2:].to_numpy()
    content[2:] = np.eye(8)[known % GROUPS] + 0.3 * random.standard_normal((len(known), 8))
    content[2:] /= np.linalg.norm(content[2:], axis=1, keepdims=True)
    (folder / "intents").mkdir()
    bin_intents(store, content, IntentConfig(levels=4), folder / "intents")
    intents = IntentLabels.open(folder / "intents")
    return Dataset(store, content, intents, make_catalogue(store, content, intents))
