"""Stored examples as the requests that a shop would send for them, and what answering them takes.

A request goes the whole way that serving goes: from ids and raw values. Its answer must be what the
trainer's scorer says of the stored example.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from jaxtyping import Int

from models.assessment.recoding import store_for
from models.data.codes import FIRST, MISSING, UNKNOWN
from models.data.examples import ExampleStore
from models.data.vocabulary import FieldVocabulary, Value, Vocabularies
from models.serving.request import ScoreRequest, ScoreResponse

NOBODY = "no such id"
WARM_UP = 5
PERCENTILE = 95


class Scorer(Protocol):
    """What answers a request: `models.serving.predictor.Predictor`."""

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Return the click probability of each candidate."""
        ...


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from a request to its answer, without the network."""

    median_ms: float
    p95_ms: float


def requests_of(
    store: ExampleStore, model_folder: Path, rows: Int[np.ndarray, " R"]
) -> list[ScoreRequest]:
    """Return one request for each row: its user, its past, its trigger, and its target alone.

    Args:
        store: The examples.
        model_folder: The model that will answer, whose fields the request may name.
        rows: Row numbers of the store.
    """
    vocabularies = Vocabularies.load(model_folder)
    batch = store_for(store, vocabularies).gather(rows)
    past, items, users = store.jagged(rows), store.item_ids, store.user_ids
    asked = []
    for place, row in enumerate(rows.tolist()):
        events = slice(int(past.offsets[place]), int(past.offsets[place + 1]))
        now, trigger = int(store.time[row]), int(store.trigger_item[row])
        history = [
            {"item_id": _id(items, int(code)), "timestamp": now - int(age)}
            for code, age in zip(past.values[events], past.age_s[events], strict=True)
        ]
        asked.append(
            ScoreRequest.model_validate(
                {
                    "user_id": users[int(store.user[row])],
                    "user": _values(vocabularies.user, batch.user_fields[place].tolist()),
                    "context": _values(vocabularies.context, batch.context_fields[place].tolist()),
                    "history": history,
                    "trigger_item_id": None if trigger == MISSING else _id(items, trigger),
                    "candidates": [_id(items, int(store.target_item[row]))],
                    "timestamp": now,
                }
            )
        )
    return asked


def widened(requests: Sequence[ScoreRequest], items: pl.Series, width: int) -> list[ScoreRequest]:
    """Return the requests with ``width`` candidates each, as a page of recommendations has them."""
    candidates = (items.to_list() * (width // max(len(items), 1) + 1))[:width]
    return [request.model_copy(update={"candidates": candidates}) for request in requests]


def latencies(
    scorers: Mapping[str, Scorer], requests: Sequence[ScoreRequest]
) -> dict[str, Latency]:
    """Return how long each scorer takes for a request, by the scorer's name.

    They are asked in turns: what else the machine does hits them alike.

    Args:
        scorers: Who is asked.
        requests: What they are asked, each once, after the first few to warm up.
    """
    taken: dict[str, list[float]] = {name: [] for name in scorers}
    for request in requests[:WARM_UP]:
        for scorer in scorers.values():
            scorer.score(request)
    for request in requests:
        for name, scorer in scorers.items():
            began = time.perf_counter()
            scorer.score(request)
            taken[name].append(1000.0 * (time.perf_counter() - began))
    return {
        name: Latency(float(np.median(times)), float(np.percentile(times, PERCENTILE)))
        for name, times in taken.items()
    }


def _id(ids: pl.Series, code: int) -> Value:
    found = ids[code]
    return NOBODY if found is None else found


def _values(
    fields: tuple[FieldVocabulary, ...], codes: Sequence[int]
) -> dict[str, Value | float | None]:
    return {
        field.name: _value(field, code)
        for field, code in zip(fields, codes, strict=True)
        if code != MISSING
    }


def _value(field: FieldVocabulary, code: int) -> Value | float:
    """Return a value with this code: the one it stands for, or one inside its bin."""
    if code == UNKNOWN:
        return NOBODY
    if field.edges is None:
        return field.values[code - FIRST]
    if not field.edges:
        return 0.0
    bin = code - FIRST
    return field.edges[bin - 1] if bin else field.edges[0] - 1.0
