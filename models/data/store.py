"""The example store: user timelines once, and per example a few integers that point into them.

Nothing is read when a store is opened: its arrays are memory-mapped, and a batch is one vectorised
gather. Files and their sizes: docs/reference/data.md.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Int, Int32, Int64, Shaped, UInt8

from models.artifacts import Scalar
from models.data.batch import Batch, JaggedHistory
from models.data.codes import UNKNOWN
from models.data.example_settings import ExamplesConfig
from models.data.feature_spec import FeatureSpec
from models.data.gathering import jagged_events, jagged_history
from models.data.vocabulary import Vocabularies
from models.errors import ConfigError, CorruptArtifactError
from models.files import write_text

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
STORE_FILE = "store.json"
UNFITTED_FILE = "unfitted.parquet"
LAYOUT_VERSION = 2

EXAMPLE_COLUMNS = {
    "user": "<i4",
    "target_item": "<i4",
    "trigger_item": "<i4",
    "time": "<i8",
    "label": "|i1",
    "request": "<i4",
    "split": "|u1",
    "history_start": "<i4",
    "history_end": "<i4",
    "impression": "<i8",
}
"""Per-example columns, and their types in the files."""
OTHER_ARRAYS = {
    "context_fields": "<i4",
    "user_fields": "<i4",
    "item_fields": "<i4",
    "item_train_count": "<i4",
    "item_seen": "|b1",
    "request_key": "<i8",
    "event_item": "<i4",
    "event_time": "<i4",
    "timeline_start": "<i8",
    "timeline_end": "<i8",
}
EVENT_ARRAYS = ("event_item", "event_time")
_MAP_FROM_BYTES = 4096  # an array of no elements cannot be mapped, and a tiny one is no gain


class Jagged(NamedTuple):
    """Histories without padding: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""

    values: Int32[np.ndarray, " T"]
    offsets: Int64[np.ndarray, " B1"]
    age_s: Int32[np.ndarray, " T"]


class ExampleStore:
    """Examples in order of time, served as batches.

    Attributes:
        num_examples: Number of examples, all splits together.
        span_s: First and last second of events and impressions, UTC.
        carried_users: How many users, the first ones by code, were of train before the last append.
        user: User code of each example, distinct for every user. Codes from ``spec.num_users`` on
            belong to users the train split does not have; `gather` gives them as unknown (1).
        target_item: Item code.
        trigger_item: Item code; 0 where there is no trigger.
        time: UTC seconds.
        label: 0 or 1.
        request: 0 … number of requests - 1, in order of first appearance.
        split: 0 train, 1 valid, 2 test.
        history_start: First event of the history, an index into the events.
        history_end: One past the last event of the history.
        impression: The ``impression_id`` in the tables; a drawn negative has its positive's.
        context_fields: Codes ``[N, Fc]``.
        user_fields: Codes ``[users, Fu]``, by user code.
        item_fields: Codes ``[num_items, Fi]``, by item code.
        item_train_count: How often each item is a target in train, by item code.
        item_seen: Whether train has shown the item: as target, trigger or in a history.
        request_key: The log's own request id as a number, by request; empty where it has none.
        timeline_start: First event of each user, by user code.
        timeline_end: One past the last event of each user.
    """

    user: Int32[np.ndarray, " N"]
    target_item: Int32[np.ndarray, " N"]
    trigger_item: Int32[np.ndarray, " N"]
    time: Int64[np.ndarray, " N"]
    label: Shaped[np.ndarray, " N"]
    request: Int32[np.ndarray, " N"]
    split: UInt8[np.ndarray, " N"]
    history_start: Int32[np.ndarray, " N"]
    history_end: Int32[np.ndarray, " N"]
    impression: Int64[np.ndarray, " N"]
    context_fields: Int32[np.ndarray, "N Fc"]
    user_fields: Int32[np.ndarray, "U Fu"]
    item_fields: Int32[np.ndarray, "I Fi"]
    item_train_count: Int32[np.ndarray, " I"]
    item_seen: Bool[np.ndarray, " I"]
    request_key: Int64[np.ndarray, " R"]
    timeline_start: Int64[np.ndarray, " U"]
    timeline_end: Int64[np.ndarray, " U"]

    def __init__(self, folder: Path, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.folder = folder
        self.spec = FeatureSpec.model_validate(facts["spec"])
        self.config = ExamplesConfig.model_validate(facts["config"])
        self.summary: dict[str, Scalar] = facts["summary"]
        self.num_examples: int = facts["num_examples"]
        self.num_requests: int = facts["num_requests"]
        self.carried_users: int = facts["carried_users"]
        self.span_s: tuple[int, int] = tuple(facts["span_s"])
        self._origin_s: int = facts["origin_s"]
        for name, array in arrays.items():
            setattr(self, name, array)
        self._events: Int32[np.ndarray, " E"] = arrays["event_item"]
        self._event_times: Int32[np.ndarray, " E"] = arrays["event_time"]

    @classmethod
    def open(cls, folder: Path) -> "ExampleStore":
        """Return the store in ``folder``, memory-mapped.

        Raises:
            CorruptArtifactError: a file is missing, cut short or of another layout.
        """
        try:
            facts = json.loads((folder / STORE_FILE).read_text(encoding="utf-8"))
            if facts["version"] != LAYOUT_VERSION:
                raise ValueError(f"layout version {facts['version']}, expected {LAYOUT_VERSION}")
            names = {**EXAMPLE_COLUMNS, **OTHER_ARRAYS}
            arrays = {name: _read(folder, name, dtype) for name, dtype in names.items()}
            if any(len(arrays[name]) != facts["num_examples"] for name in EXAMPLE_COLUMNS):
                raise ValueError("columns of different lengths")
            return cls(folder, facts, arrays)
        except (OSError, ValueError, KeyError) as error:
            raise CorruptArtifactError(
                f"The example store cannot be opened: {str(error).splitlines()[0]}",
                where=str(folder),
                do="Run the pipeline again, or bring the run's files back: intentflow checkout RUN",
            ) from None

    def vocabularies(self) -> Vocabularies:
        """Return the codes of all ids and values; read on first use."""
        return self._vocabularies

    @cached_property
    def _vocabularies(self) -> Vocabularies:
        return Vocabularies.load(self.folder)

    @property
    def item_ids(self) -> pl.Series:
        """Code → original item id; null for codes 0 and 1."""
        return self._vocabularies.item_ids

    @property
    def user_ids(self) -> pl.Series:
        """Code → original user id; null for codes 0 and 1."""
        return self._vocabularies.user_ids

    def item_codes(self, item_ids: pl.Series) -> Int32[np.ndarray, " N"]:
        """Return the codes of original item ids; 0 for null, 1 for unknown ones."""
        return self._vocabularies.item_codes(item_ids)

    def rows(self, split: str) -> Int64[np.ndarray, " R"]:
        """Return the rows of split train, valid or test, in order of time."""
        if split not in SPLITS:
            raise ConfigError(f"There is no split {split!r}.", allowed=", ".join(SPLITS))
        return np.flatnonzero(self.split == list(SPLITS).index(split))

    def history_length(self, rows: Int[np.ndarray, " B"]) -> Int32[np.ndarray, " B"]:
        """Return the number of events in the history of each row."""
        return self.history_end[rows] - self.history_start[rows]

    def gather(self, rows: Int[np.ndarray, " B"]) -> Batch:
        """Return the examples at ``rows`` as one batch of int32 codes.

        Histories come without padding. Their padded form, made when it is first read, is as long
        as the longest among ``rows``, and has one position at least.
        """
        user = self.user[rows]
        tensor = torch.from_numpy
        return Batch.of_jagged(
            lambda: self._histories(rows),
            user=tensor(np.where(user < self.spec.num_users, user, np.int32(UNKNOWN))),
            target_item=tensor(self.target_item[rows]),
            trigger_item=tensor(self.trigger_item[rows]),
            user_fields=tensor(self.user_fields[user]),
            context_fields=tensor(self.context_fields[rows]),
            label=tensor(self.label[rows].astype(np.float32)),
        )

    def _histories(self, rows: Int[np.ndarray, " B"]) -> JaggedHistory:
        now = (self.time[rows] - self._origin_s).astype(np.int32)
        start, end = self.history_start[rows], self.history_end[rows]
        return jagged_history(self._events, self._event_times, now, start, end)

    def jagged(self, rows: Int[np.ndarray, " B"]) -> Jagged:
        """Return the histories of ``rows`` without padding, oldest → newest."""
        events, offsets = jagged_events(self.history_start[rows], self.history_end[rows])
        now = np.repeat((self.time[rows] - self._origin_s).astype(np.int32), np.diff(offsets))
        return Jagged(self._events[events], offsets, now - self._event_times[events])

    @property
    def origin_s(self) -> int:
        """UTC seconds that the events' times count from."""
        return self._origin_s

    @property
    def num_events(self) -> int:
        """Number of events, without the padding behind them."""
        return len(self._events) - self.config.history_length

    def event_items(self, events: Int[np.ndarray, " E"]) -> Int32[np.ndarray, " E"]:
        """Return the item codes of events, given as `history_start` counts them."""
        return self._events[events]

    def event_times_s(self, events: Int[np.ndarray, " E"]) -> Int64[np.ndarray, " E"]:
        """Return the UTC seconds of events, given as `history_start` counts them."""
        return self._event_times[events].astype(np.int64) + self._origin_s

    def timeline(self, user: int) -> tuple[Int32[np.ndarray, " T"], Int64[np.ndarray, " T"]]:
        """Return all events of the user with this code: item codes and UTC seconds, in order."""
        events = slice(int(self.timeline_start[user]), int(self.timeline_end[user]))
        return self._events[events], self._event_times[events].astype(np.int64) + self._origin_s


def write_store(
    folder: Path,
    facts: dict[str, Any],
    arrays: dict[str, np.ndarray],
    vocabularies: Vocabularies,
    unfitted: pl.DataFrame,
) -> None:
    """Write the files of a store into ``folder``, where the two of its events are already.

    Args:
        folder: Where; the caller makes it appear as a whole.
        facts: For ``store.json``.
        arrays: All columns but those of the events.
        vocabularies: The codes.
        unfitted: Side, field, row and value of every value without a code, for a later append.
    """
    for name, dtype in {**EXAMPLE_COLUMNS, **OTHER_ARRAYS}.items():
        if name not in EVENT_ARRAYS:
            column = np.ascontiguousarray(arrays[name], dtype)
            np.save(array_file(folder, name), column, allow_pickle=False)
    vocabularies.save(folder)
    unfitted.write_parquet(folder / UNFITTED_FILE)
    facts = {"version": LAYOUT_VERSION, **facts}
    write_text(folder / STORE_FILE, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def array_file(folder: Path, name: str) -> Path:
    """Return the file of an array."""
    return folder / f"{name}.npy"


def _read(folder: Path, name: str, dtype: str) -> np.ndarray:
    path = array_file(folder, name)
    mapped = path.stat().st_size >= _MAP_FROM_BYTES
    array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{path.name} holds {array.dtype}, expected {np.dtype(dtype)}")
    array.flags.writeable = False
    return np.asarray(array)  # as a plain array: indexing a np.memmap costs more
