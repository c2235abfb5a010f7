"""FuxiCTR's LongCTR models, trained and asked as its own ``run_expid.py`` does."""

import itertools
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.torch_utils import seed_everything
from measuring import Stopwatch, leave, read_arrays, read_job, rows_of
from model_zoo import LongCTR
from model_zoo.LongCTR.longctr_dataloader import LongCTRDataLoader

MODELS: dict[str, dict[str, Any]] = {
    "din": {
        "model": "DIN",
        "dnn_hidden_units": [512, 256, 128],
        "attention_hidden_units": [128],
        "attention_hidden_activations": "ReLU",
    },
    "dien": {
        "model": "DIEN",
        "dnn_hidden_units": [512, 256, 128],
        "attention_type": "bilinear_attention",
        "gru_type": "AUGRU",
        "batch_norm": False,
    },
    "dcnv2": {
        "model": "DCNv2",
        "model_structure": "parallel",
        "num_cross_layers": 3,
        "parallel_dnn_hidden_units": [512, 256, 128],
    },
}


def prepare(job: dict[str, Any], folder: Path) -> None:
    """Write the files LongCTR reads: users' timelines, items, and the rows of each split."""
    arrays, sizes = read_arrays(job)
    offsets = arrays["timeline_offsets"]
    timelines = [arrays["timeline_items"][start:end] for start, end in itertools.pairwise(offsets)]
    users = {"user_index": np.arange(len(timelines)), "full_item_seq": timelines}
    pd.DataFrame(users).to_parquet(folder / "user_info.parquet")
    items = np.arange(sizes["num_items"])
    pd.DataFrame({"item_index": items, "item_id": items}).to_parquet(folder / "item_info.parquet")
    rows = pd.DataFrame(
        {
            "user_index": arrays["user"],
            "item_index": arrays["item"],
            "seq_len": arrays["timeline_length"],
            "user_id": arrays["user"],
            "label": arrays["label"],
        }
    ).astype(np.int64)
    rows.to_parquet(folder / "all.parquet")
    for split in ("train", "valid", "test"):
        rows.iloc[rows_of(arrays, split)].to_parquet(folder / f"{split}.parquet")
    meta = {"type": "meta"}
    user = {"type": "categorical", "source": "user", "vocab_size": sizes["num_users"]}
    item = {"type": "categorical", "source": "item", "vocab_size": sizes["num_items"]}
    features = OrderedDict(
        user_index=meta,
        item_index=meta,
        seq_len=meta,
        user_id=user,
        item_id=item | {"padding_idx": 0},
    )
    described = {
        "dataset_id": "prepared",
        "num_fields": 2,
        "total_features": sizes["num_users"] + sizes["num_items"],
        "labels": ["label"],
        "features": [{name: spec} for name, spec in features.items()],
    }
    (folder / "feature_map.json").write_text(json.dumps(described), encoding="utf-8")


def main() -> None:
    """Train one model and score every row."""
    job = read_job()
    folder = Path(job["work"])
    if job["phase"] == "prepare":
        prepare(job, folder)
        return
    params: dict[str, Any] = {
        **MODELS[job["model"]],
        "model_id": job["model"],
        "model_root": str(folder / f"checkpoints-{job['seed']}-{job['batch_size']}"),
        "gpu": -1,
        "task": "binary_classification",
        "loss": "binary_crossentropy",
        "metrics": ["AUC"],
        "monitor": "AUC",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "embedding_dim": 16,
        "batch_size": job["batch_size"],
        "epochs": job["max_epochs"],
        "early_stop_patience": job["patience"],
        "verbose": 0,
        "num_workers": 0,
        "max_len": job["history_length"],
        "data_loader": LongCTRDataLoader,
        "train_data": str(folder / "train.parquet"),
        "valid_data": str(folder / "valid.parquet"),
        "test_data": str(folder / "all.parquet"),
        "user_info": str(folder / "user_info.parquet"),
        "item_info": str(folder / "item_info.parquet"),
    }
    Path(params["model_root"], "prepared").mkdir(parents=True, exist_ok=True)
    seed_everything(job["seed"])
    feature_map = FeatureMap("prepared", str(folder))
    feature_map.load(str(folder / "feature_map.json"), params)
    model = getattr(LongCTR, params["model"])(feature_map, **params)
    watch = Stopwatch()
    model.train_epoch = watch.timed("train", model.train_epoch)
    model.eval_step = watch.timed("valid", model.eval_step)
    train, valid = RankDataLoader(feature_map, stage="train", **params)
    model.fit(train, validation_data=valid, **params)
    del train, valid
    every_row = RankDataLoader(feature_map, stage="test", **params)
    probabilities = np.zeros(0)
    for _ in range(job["repeats"]):
        with watch.span("score"):
            probabilities = model.predict(every_row)
    leave(job, watch, probabilities)


if __name__ == "__main__":
    main()
