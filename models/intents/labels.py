"""Intent labels: a level per impression, y_int per request (DAIAN Eq. 1), and their folder."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int, Int8
from safetensors.numpy import load_file, save_file

from models.data.batch import Batch
from models.data.store import ExampleStore
from models.errors import CorruptArtifactError, DataError
from models.files import write_text
from models.intents.binning import (
    centre_content,
    cosine,
    fit_range,
    inner_edges,
    similarity_level,
)
from models.intents.config import IntentConfig
from models.intents.table import level_table, table_summary

LABELS_FILE = "intents.safetensors"
FACTS_FILE = "intents.json"
LEVELS_FILE = "levels.parquet"
BLOCK_NUMBERS = 1 << 18
"""Numbers of a block of content: 1 MB, which the caches and the allocator keep."""


@dataclass(frozen=True)
class IntentLabels:
    """The intent labels of an example store.

    Attributes:
        config: How the levels were made.
        level: Level of every impression; -1 where trigger or target is unknown or has no content.
        request_intent: y_int of every request: share of its clicks at each level; zeros where the
            request has no click at a known level.
        has_intent: Whether the request has such a click.
        edges: The n-1 inner edges, cosine of centred content.
        content_mean: What was subtracted from the content; zeros if not centred.
        range: Least and greatest cosine of the levels.
    """

    config: IntentConfig
    level: Int8[np.ndarray, " N"]
    request_intent: Float[np.ndarray, "R n"]
    has_intent: Bool[np.ndarray, " R"]
    edges: Float[np.ndarray, " edges"]
    content_mean: Float[np.ndarray, " C"]
    range: tuple[float, float]

    @property
    def levels(self) -> int:
        """Number n of levels."""
        return self.request_intent.shape[1]

    def attach(self, batch: Batch, requests: Int[np.ndarray, " B"]) -> Batch:
        """Return the batch with y_int of its impressions' requests."""
        device = batch.label.device
        return replace(
            batch,
            intent=torch.from_numpy(self.request_intent[requests]).to(device),
            has_intent=torch.from_numpy(self.has_intent[requests]).to(device),
        )

    def save(self, folder: Path) -> None:
        """Write the labels into ``folder``."""
        arrays = {
            "level": self.level,
            "request_intent": self.request_intent,
            "has_intent": self.has_intent,
            "edges": self.edges,
            "content_mean": self.content_mean,
        }
        save_file(
            {name: np.ascontiguousarray(value) for name, value in arrays.items()},
            str(folder / LABELS_FILE),
        )
        facts = {"config": self.config.model_dump(), "range": self.range}
        write_text(folder / FACTS_FILE, json.dumps(facts, indent=2) + "\n")

    @classmethod
    def open(cls, folder: Path) -> "IntentLabels":
        """Return the labels in ``folder``, or raise `CorruptArtifactError`."""
        try:
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
            arrays = load_file(str(folder / LABELS_FILE))
            return cls(
                config=IntentConfig.model_validate(facts["config"]),
                range=(float(facts["range"][0]), float(facts["range"][1])),
                **arrays,
            )
        except Exception as error:
            raise CorruptArtifactError(
                f"The intent labels cannot be read: {str(error).splitlines()[0]}",
                where=str(folder),
                do="Run bin_intents again.",
            ) from None


def bin_intents(
    store: ExampleStore,
    content: Float[np.ndarray, "num_items C"],
    config: IntentConfig,
    folder: Path,
) -> dict[str, str | int | float | bool | None]:
    """Label every impression and request of ``store``, write them into ``folder``, return counts.

    Mean and range are fitted on the train impressions; the labels of valid and test impressions
    serve evaluation only.

    Args:
        store: The examples.
        content: L2-normalised embedding per item code; zeros where there is none.
        config: The levels.
        folder: Receives intents.safetensors, intents.json and levels.parquet.

    Raises:
        DataError: the content has the wrong number of rows or is not finite, or all train pairs
            are equally similar.
    """
    _check_content(content, int(store.spec.num_items))
    train = store.rows("train")
    target, trigger = np.asarray(store.target_item), np.asarray(store.trigger_item)
    mean = _train_mean(content, target[train], trigger[train], centre=config.centre)
    similarity = _pair_cosines(content, mean, trigger, target)
    known = ~np.isnan(similarity)
    train_known = train[known[train]]
    low, high = fit_range(similarity[train_known], config.range)
    edges = inner_edges(low, high, config.levels)
    level = np.full(target.shape, -1, np.int8)
    level[known] = similarity_level(
        torch.from_numpy(similarity[known]), torch.from_numpy(edges)
    ).numpy()
    label, request = np.asarray(store.label), np.asarray(store.request)
    intent, has_intent = _request_intent(level, label, request, config.levels)
    labels = IntentLabels(config, level, intent, has_intent, edges, mean, (low, high))
    labels.save(folder)
    table = level_table(level[train], label[train], low, high, config.levels)
    table.write_parquet(folder / LEVELS_FILE)
    return _summary(labels, table)


def intent_levels(folder: Path) -> pl.DataFrame:
    """Return the table of levels: range, train impressions, clicks, share, click rate, information.

    Raises:
        CorruptArtifactError: the folder holds no such table.
    """
    try:
        return pl.read_parquet(folder / LEVELS_FILE)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CorruptArtifactError(
            f"The table of intent levels cannot be read: {str(error).splitlines()[0]}",
            where=str(folder / LEVELS_FILE),
            do="Run bin_intents again.",
        ) from None


def _check_content(content: Float[np.ndarray, "items C"], num_items: int) -> None:
    if content.ndim != 2 or content.shape[0] != num_items:
        raise DataError(
            f"The content has shape {content.shape} for {num_items} item codes.",
            where="item embeddings",
            allowed=f"({num_items}, width)",
            do="Align the embeddings with the store: load_embeddings(...).aligned(store.item_ids).",
        )
    if not np.isfinite(content).all():
        code = int(np.flatnonzero(~np.isfinite(content).all(axis=1))[0])
        raise DataError(
            f"The content of item code {code} is not finite.",
            where="item embeddings",
            do="Run embed_items again; with a precomputed matrix, correct the row.",
        )


def _train_mean(
    content: Float[np.ndarray, "items C"],
    target: Int[np.ndarray, " pairs"],
    trigger: Int[np.ndarray, " pairs"],
    *,
    centre: bool,
) -> Float[np.ndarray, " C"]:
    """Return the mean content of the items that train impressions show, each counted once."""
    items = np.union1d(target, trigger)
    items = items[content[items].any(axis=1)]
    if not centre or items.size == 0:
        return np.zeros(content.shape[1], np.float32)
    return content[items].mean(axis=0, dtype=np.float64).astype(np.float32)


def _pair_cosines(
    content: Float[np.ndarray, "items C"],
    mean: Float[np.ndarray, " C"],
    trigger: Int[np.ndarray, " N"],
    target: Int[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Return the cosine of every pair, NaN where either item has no content.

    Pairs repeat, so each is computed once, and in order, so that neighbours share the trigger.
    """
    centred = centre_content(torch.from_numpy(content), torch.from_numpy(mean))
    result = np.full(target.shape, np.nan, np.float32)
    present: Bool[np.ndarray, " items"] = np.any(content != 0, axis=1)
    rows = np.flatnonzero(present[trigger] & present[target])
    pairs = trigger[rows].astype(np.int64) * len(content) + target[rows]
    distinct, place = np.unique(pairs, return_inverse=True)
    left, right = (torch.from_numpy(codes) for codes in np.divmod(distinct, len(content)))
    block = max(1, BLOCK_NUMBERS // max(1, content.shape[1]))
    found = [
        cosine(centred[some], centred[other])
        for some, other in zip(left.split(block), right.split(block), strict=True)
    ]
    result[rows] = torch.cat(found).numpy()[place]
    return result


def _request_intent(
    level: Int8[np.ndarray, " N"],
    label: np.ndarray,
    request: Int[np.ndarray, " N"],
    levels: int,
) -> tuple[Float[np.ndarray, "R n"], Bool[np.ndarray, " R"]]:
    """Return y_j = N_j / N (DAIAN 4.1) over the clicks of each request, and where N > 0."""
    num_requests = int(request.max(initial=-1)) + 1
    clicked = (label > 0) & (level >= 0)
    cell = request[clicked].astype(np.int64) * levels + level[clicked]
    counts = np.bincount(cell, minlength=num_requests * levels).reshape(num_requests, levels)
    total = counts.sum(axis=1)
    intent = counts / np.maximum(total, 1)[:, None]
    return intent.astype(np.float32), total > 0


def _summary(
    labels: IntentLabels, table: pl.DataFrame
) -> dict[str, str | int | float | bool | None]:
    return {
        "levels": labels.levels,
        "range_low": labels.range[0],
        "range_high": labels.range[1],
        "impressions": int(labels.level.size),
        "impressions_with_level": int((labels.level >= 0).sum()),
        "requests": int(labels.has_intent.size),
        "requests_with_intent": int(labels.has_intent.sum()),
        **table_summary(table),
    }
