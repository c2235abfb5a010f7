"""The two windows a drift report compares, as plain columns: what was shown, clicked and scored."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int

from models.assessment.drift_window import CLICKED_LEVEL, Window
from models.assessment.predictions import Evidence, score_folder
from models.data.tables import Tables, read_tables
from models.data.vocabulary import FIRST, MISSING, FieldVocabulary
from models.encoders.embeddings import ItemEmbeddings, load_embeddings
from models.errors import SplitError

DAY_S = 86_400


def drift_windows(
    folders: Mapping[str, Path], *, current_days: float | None, max_rows: int, seed: int = 0
) -> tuple[Window, Window]:
    """Return the reference and the current window.

    The model has seen the train rows, so its scores there are no reference: the reference is the
    validation rows, the current window the test rows, or the newest ``current_days`` of both.

    Args:
        folders: The artifacts ``model``, ``examples``, ``intents``, ``semantic_ids``, ``tables``,
            and where they are known ``embeddings``, those of the current window, and
            ``embeddings_before``, those that production stands on.
        current_days: Length of the current window in days; ``None`` takes the test split.
        max_rows: Each window is sampled down to this many rows.
        seed: Seeds the sample.

    Raises:
        SplitError: one of the windows is empty.
    """
    evidence = Evidence.open(folders)
    reference, current = _rows(evidence, current_days)
    generator = np.random.default_rng(seed)
    tables = read_tables(folders["tables"])
    codes = pl.read_parquet(folders["semantic_ids"] / "semantic_ids.parquet")
    names = _names(tables)
    frames = []
    for rows in (reference, current):
        if len(rows) > max_rows:
            rows = np.sort(generator.choice(rows, max_rows, replace=False))
        frames.append(_frame(evidence, rows, folders["model"], tables, codes))
    before, now = _embeddings(folders)
    return Window(frames[0], before, names), Window(frames[1], now, names)


def _embeddings(
    folders: Mapping[str, Path],
) -> tuple[ItemEmbeddings | None, ItemEmbeddings | None]:
    """Return the embeddings of both windows: the same object where one encoder made both."""
    if "embeddings" not in folders:
        return None, None
    now = load_embeddings(folders["embeddings"])
    before = folders.get("embeddings_before", folders["embeddings"])
    return (now if before == folders["embeddings"] else load_embeddings(before)), now


def _names(tables: Tables) -> pl.DataFrame | None:
    """Return what people call the items: their first text column."""
    if not tables.spec.item_text:
        return None
    return tables.items.select("item_id", name=pl.col(tables.spec.item_text[0]))


def _rows(
    evidence: Evidence, current_days: float | None
) -> tuple[Int[np.ndarray, " R"], Int[np.ndarray, " C"]]:
    store = evidence.store
    reference, current = store.rows("valid"), store.rows("test")
    if current_days is not None:
        both = np.sort(np.concatenate([reference, current]))
        newest = store.time[both] >= store.time[both].max() - current_days * DAY_S
        reference, current = both[~newest], both[newest]
    if not len(reference) or not len(current):
        raise SplitError(
            f"A drift report needs two windows: {len(reference)} reference and "
            f"{len(current)} current impressions.",
            where="current_window_days and examples.split of the data set",
            allowed="at least one impression in each, outside the train split",
            do="Give valid and test a share, or shorten the current window.",
        )
    return reference, current


def _frame(
    evidence: Evidence,
    rows: Int[np.ndarray, " N"],
    model: Path,
    tables: Tables,
    codes: pl.DataFrame,
) -> pl.DataFrame:
    store, spec = evidence.store, tables.spec
    level = evidence.intents.level[rows]
    frame = pl.DataFrame(
        {
            "item_id": store.item_ids.gather(store.target_item[rows]),
            "user_id": store.user_ids.gather(store.user[rows]),
            "history_length": store.history_length(rows),
            "has_trigger": store.trigger_item[rows] > 0,
            "hour": (store.time[rows] // 3600) % 24,
            "label": store.label[rows],
            "intent_level": level,
            CLICKED_LEVEL: pl.Series(level).set(pl.Series(store.label[rows] < 1), None),
            "score": score_folder(model, evidence, rows)[1].probability,
        }
    )
    context = {
        vocabulary.name: _decoded(vocabulary, store.context_fields[rows, column])
        for column, vocabulary in enumerate(store.vocabularies().context)
    }
    levels = [name for name in codes.columns if name.startswith("code_")]
    sids = codes.select("item_id", *(pl.col(name).alias(f"sid_{name[5:]}") for name in levels))
    items = tables.items.select("item_id", *spec.item_fields, *spec.item_numeric)
    users = tables.users.select("user_id", *spec.user_fields)
    return (
        frame.with_columns(**context)
        .join(items, on="item_id", how="left", maintain_order="left")
        .join(users, on="user_id", how="left", maintain_order="left")
        .join(sids, on="item_id", how="left", maintain_order="left")
    )


def _decoded(vocabulary: FieldVocabulary, codes: Int[np.ndarray, " N"]) -> pl.Series:
    """Return the values behind a field's codes, as text; bins of a numeric field by number."""
    if vocabulary.edges is None:
        names = [None, "unknown", *map(str, vocabulary.values)]
    else:
        names = [None, "unknown", *(f"bin {i}" for i in range(vocabulary.field.size - FIRST))]
    return pl.Series(names, dtype=pl.String).gather(np.maximum(codes, MISSING))
