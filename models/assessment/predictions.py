"""A model's predictions for a split, with all that an evaluation wants to know of each example."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from models.assessment.recoding import store_for
from models.data.examples import ExampleStore
from models.data.tables import Tables
from models.data.vocabulary import Vocabularies
from models.intents.labels import IntentLabels
from models.metrics.groups import intent_diversity, interest_volatility, look_up, newest_days
from models.reports.inputs import EvaluationInput
from models.training.model_folder import load_model
from models.training.scoring import Scores, score

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Evidence:
    """The opened inputs of an evaluation."""

    store: ExampleStore
    intents: IntentLabels

    @classmethod
    def open(cls, folders: Mapping[str, Path]) -> "Evidence":
        """Return what the folders under ``examples`` and ``intents`` hold."""
        return cls(ExampleStore.open(folders["examples"]), IntentLabels.open(folders["intents"]))


def score_folder(
    folder: Path, evidence: Evidence, rows: Int[np.ndarray, " N"]
) -> tuple[str, Scores]:
    """Return the name and the predictions of the model at ``folder`` for ``rows``."""
    loaded = load_model(folder)
    store = store_for(evidence.store, Vocabularies.load(folder))
    scores = score(loaded.model, store, rows, calibration=loaded.calibration)
    return loaded.config.model, scores


def evaluation_input(
    evidence: Evidence,
    rows: Int[np.ndarray, " N"],
    model: str,
    scores: Scores,
    tables: Tables | None = None,
) -> EvaluationInput:
    """Return the predictions beside what is known of the impressions at ``rows``."""
    store, intents = evidence.store, evidence.intents
    users, requests = store.user[rows], store.request[rows]
    kinds = _item_kinds(store)
    level = intents.level[rows].astype(np.int64)
    return EvaluationInput(
        labels=store.label[rows],
        probability=scores.probability,
        users=users,
        request=requests,
        history_length=store.history_length(rows),
        item_train_count=store.item_train_count[store.target_item[rows]],
        level=level,
        intent=_comparable_intent(scores, intents),
        y_int=intents.request_intent[requests].astype(np.float64),
        has_intent=intents.has_intent[requests],
        population=_populations(store, users, tables),
        intent_diversity=_diversity(store, kinds, users),
        volatility=_volatility(store, rows, kinds),
        model=model,
    )


def _comparable_intent(scores: Scores, intents: IntentLabels) -> Float[np.ndarray, "N n"] | None:
    """Return the predicted intents if they are over the same levels as the labels."""
    if scores.intent is None or scores.intent.shape[1] != intents.levels:
        return None
    return scores.intent.astype(np.float64)


def _item_kinds(store: ExampleStore) -> Int[np.ndarray, " items"]:
    """Return a leaf category for every item: its first side field, or the item itself."""
    if store.item_fields.shape[1]:
        return np.asarray(store.item_fields[:, 0])
    return np.arange(store.spec.num_items)


def _diversity(
    store: ExampleStore, kinds: Int[np.ndarray, " items"], users: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Return each example's user's diversity of intents; nan for users whose week has no click."""
    train = _last_week(store)
    train = train[store.trigger_item[train] > 0]
    names, values = intent_diversity(
        store.user[train],
        store.request[train],
        store.label[train],
        kinds[store.target_item[train]],
        kinds[store.trigger_item[train]],
    )
    return look_up(names, values, users)


def _last_week(store: ExampleStore) -> Int[np.ndarray, " T"]:
    """Return the train rows of "the last week of training data" (DAIAN 5.2 (5)).

    Where every user's rows are cut at a time of their own, training ends at no one day for all of
    them, and each user's own last week counts.
    """
    train, test = store.rows("train"), store.rows("test")
    if not len(train):
        return train
    one_end = not len(test) or store.time[train].max() <= store.time[test].min()
    return train[newest_days(store.time[train], None if one_end else store.user[train])]


def _volatility(
    store: ExampleStore, rows: Int[np.ndarray, " N"], kinds: Int[np.ndarray, " items"]
) -> Float[np.ndarray, " N"]:
    parts = []
    for start in range(0, len(rows), CHUNK):
        histories = store.jagged(rows[start : start + CHUNK])
        parts.append(interest_volatility(kinds[histories.values], histories.offsets))
    return np.concatenate(parts) if parts else np.zeros(0)


def _populations(
    store: ExampleStore, users: Int[np.ndarray, " N"], tables: Tables | None
) -> np.ndarray | None:
    """Return each example's user's population, where the data know it (the simulator's do)."""
    if tables is None or not tables.spec.known_intent or "population" not in tables.users.columns:
        return None
    ids = pl.DataFrame({"user_id": store.user_ids.gather(users)})
    known = tables.users.select("user_id", "population")
    joined = ids.join(known, on="user_id", how="left", maintain_order="left")
    return joined["population"].fill_null("unknown").to_numpy()
