"""Appends a day, or any later part of a log, to an example store.

No code that a model has seen changes: old items, train users and values keep theirs, new ones come
after them. What is looked at are the new rows and everything of the users they belong to.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int32, Int64

from models.artifacts import Scalar
from models.data.assembly import assemble, check_size
from models.data.carrying import carried_sides, new_context
from models.data.codes import FIRST, CodeTable
from models.data.draft import Carried, Draft, Rows
from models.data.example_settings import ExamplesConfig
from models.data.fields import Fields
from models.data.impressions import (
    NO_REQUEST,
    Impressions,
    batches,
    read_impressions,
    time_order,
)
from models.data.log import check_ids, find_users
from models.data.merging import Events, Inserted, Merge, Part, new_events, write_events
from models.data.negatives import recorded_sampling
from models.data.request_index import first_rows, numbered, renumber
from models.data.store import ExampleStore, array_file
from models.data.tables import Tables, TableScan, check_schema
from models.data.windows import find_windows
from models.errors import ConfigError, SchemaError

PART_EVENTS = 4_000_000


@dataclass(frozen=True)
class _New:
    """What a table adds."""

    shown: Impressions
    events: Events
    user_ids: pl.Series
    item_ids: pl.Series
    counts: dict[str, Scalar]


def append_examples(
    previous: Path,
    tables: Tables | TableScan,
    config: ExamplesConfig,
    folder: Path,
    *,
    seed: int,
    part_events: int = PART_EVENTS,
) -> dict[str, Scalar]:
    """Write the store of ``previous`` with ``tables`` added into ``folder``; return its counts.

    Histories, triggers, requests, labels and splits are those of a store built from all tables at
    once. Impressions there already, by ``impression_id``, and events there already are passed over;
    late ones take their place in time, and everything of their users is computed again.

    Args:
        previous: The folder of a store; it stays as it is.
        tables: The new impressions and behaviours. Items and users may be whole tables or only the
            new rows; a row of a known id takes the place of the old one.
        config: As the store was built with; ``split`` may differ.
        folder: Where the files go; the caller makes it appear as a whole.
        seed: Of the negatives drawn for the new impressions; old ones keep theirs.
        part_events: About how many events of users with something new are worked on at a time.

    Raises:
        ConfigError: the settings differ from those of the store.
        SchemaError: the tables do not fit, or not to the store.
        SplitError: a split would be empty or of one class.
    """
    check_schema(tables)
    scan = tables.scan() if isinstance(tables, Tables) else tables
    check_ids(scan)
    store = ExampleStore.open(previous)
    _check_same_settings(store, config)
    new, context = _read(store, scan, part_events)
    check_size(store.num_events + len(new.events.user), config.history_length)
    users = np.union1d(new.events.user, new.shown.user)
    merge = Merge(store, new.events, num_users=len(new.user_ids), users=users, times=new.shown.time)
    draft, first = _draft(store, scan, new, context, merge)
    rows, inserted = _with_windows(draft.rows, first, merge, config, part_events)
    folder.mkdir(parents=True, exist_ok=True)
    write_events(store, inserted, folder)
    draft = replace(draft, rows=rows)
    counts = new.counts | recorded_sampling(config.negatives, scan.spec.facts)
    return assemble(draft, config, folder, counts, seed=seed)


def _check_same_settings(store: ExampleStore, config: ExamplesConfig) -> None:
    own = store.config.model_dump() | {"split": None}
    differing = [key for key, value in (config.model_dump() | {"split": None}).items()
                 if own[key] != value]  # fmt: skip
    if differing:
        raise ConfigError(
            f"The store was built with other settings: {', '.join(differing)}.",
            where=f"examples, and {store.folder}",
            allowed="the settings of the store; only the split may change",
            do="Append with the store's settings, or build the store anew.",
        )


def _read(store: ExampleStore, scan: TableScan, part_events: int) -> tuple[_New, Fields]:
    vocabularies = store.vocabularies()
    item_ids = _with_new(vocabularies.known_items, scan.items["item_id"])
    known_users = _with_new(vocabularies.known_users, scan.users["user_id"])
    users = find_users(scan, known_users)
    user_table, item_table = CodeTable(users.ids), CodeTable(item_ids)
    growing, old_context = new_context(store, scan)
    size = int(users.shown.sum())
    shown, context = read_impressions(scan, user_table, item_table, growing, size=size)
    rows = np.flatnonzero(~_there(_old_column(store, "impression"), shown.impression))
    given = _read_events(scan, user_table, item_table)
    events = given.take(np.flatnonzero(new_events(store, given, part_events)))
    counts: dict[str, Scalar] = {
        "appended_impressions": len(rows),
        "repeated_impressions": shown.size - len(rows),
        "appended_events": len(events.user),
        "repeated_events": len(given.user) - len(events.user),
    }
    codes = np.concatenate([old_context, context.take(rows).codes])
    fitted = tuple(len(vocabulary.values) for vocabulary in vocabularies.context)
    whole = Fields(context.names, context.values, codes, fitted)
    return _New(shown.take(rows), events, users.ids, item_ids, counts), whole


def _there(old: Int64[np.ndarray, " N"], new: Int64[np.ndarray, " M"]) -> Bool[np.ndarray, " M"]:
    """Return which of the new ids are among the old ones, without a table of all old ones."""
    ids = pl.Series(old)
    again = ids.filter(ids.is_in(pl.Series(new).implode()))
    return pl.Series(new).is_in(again.implode()).to_numpy()


def _old_column(store: ExampleStore, name: str) -> np.ndarray:
    """Return a column of the rows without drawn negatives: read, not mapped, and soon let go."""
    negatives = store.config.negatives
    group = 1 + (negatives.per_positive if negatives else 0)
    return np.load(array_file(store.folder, name), allow_pickle=False)[::group]


def _with_new(known: pl.Series, given: pl.Series) -> pl.Series:
    if given.dtype != known.dtype:
        raise SchemaError(
            f"{given.name} has type {given.dtype}, in the store {known.dtype}.",
            where=f"column {given.name}",
            allowed=f"{known.dtype}",
            do="Convert the column in the data set's adapter, or build the store anew.",
        )
    new = given.filter(~given.is_in(known.implode()))
    return pl.concat([known.alias(given.name), new])


def _read_events(scan: TableScan, users: CodeTable, items: CodeTable) -> Events:
    found = [Events(*(np.empty(0, dtype) for dtype in ("i4", "i4", "i8")))]
    for batch in batches(scan.behaviours, ["user_id", "item_id", "timestamp"]):
        user = users.codes(batch["user_id"]) - np.int32(FIRST)
        found.append(Events(user, items.codes(batch["item_id"]), batch["timestamp"].to_numpy()))
    columns = [(part.user, part.item, part.time) for part in found]
    return Events(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _draft(
    store: ExampleStore, scan: TableScan, new: _New, context: Fields, merge: Merge
) -> tuple[Draft, Int64[np.ndarray, " N"]]:
    """Return the draft with the windows of old rows only, and the first row of each request."""
    request = renumber(_old_column(store, "request"))
    num_old = len(request)
    rows = _joined(store, merge, request, new.shown)
    first = np.concatenate([first_rows(request)[request], np.arange(num_old, rows.size)])
    was_train = rows.split == 0
    was_train[num_old:] = False
    group = 1 + (store.config.negatives.per_positive if store.config.negatives else 0)
    undrawn = np.zeros((new.shown.size, group - 1), dtype=np.int32)
    new_items = len(new.item_ids) - len(store.item_seen) + FIRST
    draft = Draft(
        rows=rows,
        drawn=np.concatenate([_old_negatives(store, group), undrawn]),
        user_ids=new.user_ids,
        item_ids=new.item_ids,
        sides=carried_sides(store, scan, (new.user_ids, new.item_ids), context),
        timelines=(merge.starts, merge.ends),
        origin_s=store.origin_s,
        span_s=merge.span_s,
        carried=Carried(
            store.vocabularies().num_train_users,
            np.concatenate([store.item_seen[FIRST:], np.zeros(new_items, dtype=bool)]),
            was_train,
        ),
    )
    order = time_order(rows.time, rows.impression)
    if order is None:
        return draft, first
    place = np.empty(rows.size, dtype=np.int64)  # late impressions
    place[order] = np.arange(rows.size)
    return draft.take(order), place[first][order]


def _old_negatives(store: ExampleStore, group: int) -> Int32[np.ndarray, "N k"]:
    if group == 1:
        return np.empty((store.num_examples, 0), dtype=np.int32)
    return store.target_item.reshape(-1, group)[:, 1:]


def _joined(
    store: ExampleStore, merge: Merge, request: Int32[np.ndarray, " O"], new: Impressions
) -> Rows:
    """Return the store's rows and, after them, those of new impressions without windows."""
    user = _old_column(store, "user") - np.int32(FIRST)
    moved = merge.moved[user].astype(np.int32)
    keys = np.full(len(user), NO_REQUEST)
    if len(store.request_key):
        keys = store.request_key[_old_column(store, "request")]
    zeros = np.zeros(new.size, dtype=np.int32)

    def join(name: str, added: np.ndarray, moved: np.ndarray | None = None) -> np.ndarray:
        old = _old_column(store, name)
        return np.concatenate([old if moved is None else old + moved, added])

    return Rows(
        impression=join("impression", new.impression),
        user=np.concatenate([user, new.user]),
        target_item=join("target_item", new.item),
        trigger_item=join("trigger_item", new.logged),
        time=join("time", new.time),
        label=join("label", new.label),
        request=np.concatenate([request, zeros]),
        request_key=np.concatenate([keys, new.request]),
        history_start=join("history_start", zeros, moved),
        history_end=join("history_end", zeros, moved),
        split=join("split", zeros.astype(np.uint8)).astype(np.int8),
    )


def _with_windows(
    rows: Rows,
    first: Int64[np.ndarray, " N"],
    merge: Merge,
    config: ExamplesConfig,
    part_events: int,
) -> tuple[Rows, list[Inserted]]:
    """Return the rows, those of the users concerned with new windows, and where events go."""
    local = np.full(len(merge.starts), -1, dtype=np.int32)
    local[merge.users] = np.arange(len(merge.users), dtype=np.int32)
    user = local[rows.user]
    concerned = np.flatnonzero(user >= 0)
    concerned = concerned[np.argsort(user[concerned], kind="stable")]
    user, inserted = user[concerned], []
    for part in merge.parts(part_events):
        size = len(part.timelines.offsets) - 1
        own = slice(*np.searchsorted(user, [part.first, part.first + size]))
        _look_again(rows, first, concerned[own], user[own] - np.int32(part.first), (merge, part),
                    config)  # fmt: skip
        inserted.append(part.inserted)
    return replace(rows, request=numbered(first)), inserted


def _look_again(
    rows: Rows,
    first: Int64[np.ndarray, " N"],
    own: Int64[np.ndarray, " R"],
    user: Int32[np.ndarray, " R"],
    merged: tuple[Merge, Part],
    config: ExamplesConfig,
) -> None:
    """Put trigger, history and request of a part's rows, ``own``, into the columns."""
    merge, part = merged
    shown = Impressions(
        impression=rows.impression[own],
        user=user,
        item=rows.target_item[own],
        logged=rows.trigger_item[own],
        request=rows.request_key[own],
        time=rows.time[own],
        label=rows.label[own],
    )
    windows = find_windows(config, part.timelines, shown)
    shift = merge.starts[rows.user[own]] - part.timelines.offsets[user]
    first[own] = own[windows.first]
    rows.trigger_item[own] = windows.trigger_item
    rows.history_start[own] = windows.history_start + shift
    rows.history_end[own] = windows.history_end + shift
