"""Appends a day, or any later part of a log, to an example store.

No code that a model has seen changes: old items, train users and values keep theirs, new ones come
after them. What is looked at are the new rows and everything of the users they belong to.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64

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
from models.data.merging import Events, Merged, merge_events, new_events
from models.data.request_index import first_rows, numbered, renumber
from models.data.store import ExampleStore
from models.data.tables import Tables, TableScan, check_schema
from models.data.windows import find_windows
from models.errors import ConfigError, SchemaError


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
    new, context = _read(store, scan)
    check_size(store.num_events + len(new.events.user), config.history_length)
    users = np.union1d(new.events.user, new.shown.user)
    merged = merge_events(
        store, new.events, num_users=len(new.user_ids), users=users, times=new.shown.time
    )
    folder.mkdir(parents=True, exist_ok=True)
    merged.write(store, folder)
    draft = _draft(store, scan, new, context, merged, config)
    return assemble(draft, config, folder, new.counts, seed=seed)


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


def _read(store: ExampleStore, scan: TableScan) -> tuple[_New, Fields]:
    vocabularies = store.vocabularies()
    item_ids = _with_new(vocabularies.known_items, scan.items["item_id"])
    known_users = _with_new(vocabularies.known_users, scan.users["user_id"])
    users = find_users(scan, known_users)
    user_table, item_table = CodeTable(users.ids), CodeTable(item_ids)
    growing, old_context = new_context(store, scan)
    shown, context = read_impressions(scan, user_table, item_table, growing)
    fresh = ~pl.Series(shown.impression).is_in(pl.Series(store.impression).implode()).to_numpy()
    rows = np.flatnonzero(fresh)
    given = _read_events(scan, user_table, item_table)
    events = given.take(np.flatnonzero(new_events(store, given)))
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
    store: ExampleStore,
    scan: TableScan,
    new: _New,
    context: Fields,
    merged: Merged,
    config: ExamplesConfig,
) -> Draft:
    per_positive = config.negatives.per_positive if config.negatives else 0
    old, first = _old_rows(store, merged, per_positive + 1)
    drawn = store.target_item.reshape(-1, per_positive + 1)[:, 1:]
    rows = _joined(old, _bare_rows(new.shown))
    order = time_order(rows.time, rows.impression)
    request_first = np.concatenate([first, np.arange(old.size, rows.size)])
    if order is not None:  # late impressions
        rows, context, request_first = _in_order(order, rows, context, request_first)
    rows = _with_windows(rows, request_first, merged, config)
    was_train = np.concatenate([old.split == 0, np.zeros(new.shown.size, dtype=bool)])
    drawn = np.concatenate([drawn, np.zeros((new.shown.size, per_positive), dtype=np.int32)])
    if order is not None:
        was_train, drawn = was_train[order], drawn[order]
    new_items = len(new.item_ids) - len(store.item_seen) + FIRST
    return Draft(
        rows=rows,
        drawn=drawn,
        user_ids=new.user_ids,
        item_ids=new.item_ids,
        sides=carried_sides(store, scan, (new.user_ids, new.item_ids), context),
        timelines=(merged.starts, merged.ends),
        origin_s=store.origin_s,
        carried=Carried(
            store.vocabularies().num_train_users,
            np.concatenate([store.item_seen[FIRST:], np.zeros(new_items, dtype=bool)]),
            was_train,
        ),
    )


def _old_rows(
    store: ExampleStore, merged: Merged, group: int
) -> tuple[Rows, Int64[np.ndarray, " N"]]:
    """Return the store's rows without drawn negatives, and the first row of each one's request."""
    own = slice(None, None, group)
    user = store.user[own] - np.int32(FIRST)
    moved = merged.moved[user].astype(np.int32)
    request = renumber(store.request[own])
    key = store.request_key[store.request[own]] if len(store.request_key) else None
    rows = Rows(
        impression=store.impression[own],
        user=user,
        target_item=store.target_item[own],
        trigger_item=store.trigger_item[own],
        time=store.time[own],
        label=store.label[own],
        request=request,
        request_key=np.full(len(user), NO_REQUEST) if key is None else key,
        history_start=store.history_start[own] + moved,
        history_end=store.history_end[own] + moved,
        split=store.split[own].astype(np.int8),
    )
    return rows, first_rows(request)[request]


def _bare_rows(shown: Impressions) -> Rows:
    """Return the rows of new impressions, whose windows are yet to be found."""
    zeros = np.zeros(shown.size, dtype=np.int32)
    return Rows(
        impression=shown.impression,
        user=shown.user,
        target_item=shown.item,
        trigger_item=shown.logged,
        time=shown.time,
        label=shown.label,
        request=zeros,
        request_key=shown.request,
        history_start=zeros,
        history_end=zeros,
        split=zeros.astype(np.int8),
    )


def _joined(old: Rows, new: Rows) -> Rows:
    columns = {name: np.concatenate([column, getattr(new, name)]) for name, column in
               vars(old).items()}  # fmt: skip
    return Rows(**columns)


def _in_order(
    order: Int64[np.ndarray, " N"], rows: Rows, context: Fields, first: Int64[np.ndarray, " N"]
) -> tuple[Rows, Fields, Int64[np.ndarray, " N"]]:
    """Return rows, context and the first rows of their requests in another order."""
    place = np.empty(rows.size, dtype=np.int64)
    place[order] = np.arange(rows.size)
    return rows.take(order), context.take(order), place[first][order]


def _with_windows(
    rows: Rows, first: Int64[np.ndarray, " N"], merged: Merged, config: ExamplesConfig
) -> Rows:
    """Return the rows with trigger, history and request of all rows of the users concerned."""
    local = np.full(len(merged.starts), -1, dtype=np.int32)
    local[merged.users] = np.arange(len(merged.users), dtype=np.int32)
    concerned = _by_user(local[rows.user], local[rows.user] >= 0)
    some = rows.take(concerned)
    shown = Impressions(
        impression=some.impression,
        user=local[some.user],
        item=some.target_item,
        logged=some.trigger_item,
        request=some.request_key,
        time=some.time,
        label=some.label,
    )
    windows = find_windows(config, merged.timelines, shown)
    shift = merged.starts[some.user] - merged.timelines.offsets[shown.user]
    first[concerned] = concerned[windows.first]
    for column, found in (
        (rows.trigger_item, windows.trigger_item),
        (rows.history_start, windows.history_start + shift),
        (rows.history_end, windows.history_end + shift),
    ):
        column[concerned] = found
    return replace(rows, request=numbered(first))


def _by_user(user: np.ndarray, concerned: Bool[np.ndarray, " N"]) -> Int64[np.ndarray, " R"]:
    rows = np.flatnonzero(concerned)
    return rows[np.argsort(user[rows], kind="stable")]
