"""Builds the example store from canonical tables."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int8, Int32, Int64

from models.artifacts import Scalar
from models.data.codes import FIRST, codes_of
from models.data.example_settings import ExamplesConfig
from models.data.fitting import Seen, encode_fields, encode_items, encode_users, fit_vocabularies
from models.data.negatives import NegativesConfig, Pool, draw_negatives
from models.data.request_index import renumber
from models.data.schema import TableName
from models.data.splits import assign_splits, check_splits
from models.data.store import SPLITS, ExampleStore, write_store
from models.data.tables import Tables, check_schema
from models.data.timelines import Timelines, build_timelines, history_starts
from models.data.triggers import find_triggers, number_requests
from models.errors import ConfigError, SchemaError

__all__ = ["ExampleStore", "ExamplesConfig", "build_example_store"]


@dataclass(frozen=True)
class _Log:
    """The tables, with what every part of the build reads."""

    tables: Tables
    impressions: pl.DataFrame  # in order of time
    users: pl.Series  # every user there is
    timelines: Timelines  # by position in ``users``


@dataclass(frozen=True)
class _Examples:
    """One row an example, in order of time; ``row`` points into the impressions frame."""

    row: Int[np.ndarray, " N"]
    user: Int[np.ndarray, " N"]
    target_item: Int32[np.ndarray, " N"]
    trigger_item: Int32[np.ndarray, " N"]
    time: Int64[np.ndarray, " N"]
    label: Int8[np.ndarray, " N"]
    request: Int32[np.ndarray, " N"]
    split: Int8[np.ndarray, " N"]
    history_start: Int64[np.ndarray, " N"]
    history_end: Int64[np.ndarray, " N"]

    def take(self, rows: Int[np.ndarray, " R"]) -> "_Examples":
        return _Examples(**{name: column[rows] for name, column in vars(self).items()})


def build_example_store(
    tables: Tables, config: ExamplesConfig, folder: Path, *, seed: int
) -> dict[str, Scalar]:
    """Write the example store of ``tables`` into ``folder`` and return its counts.

    Args:
        tables: The canonical tables.
        config: How impressions become examples.
        folder: Where the files go; the caller makes it appear as a whole.
        seed: Of the drawn negatives, the only randomness there is.

    Raises:
        SchemaError: the tables do not fit, or no impression has a trigger.
        SplitError: a split would be empty or of one class.
        ConfigError: the settings of the negatives do not fit the log.
    """
    check_schema(tables)
    _check_unique(tables)
    log = _read_log(tables)
    examples, counts = _examples(log, config)
    if config.negatives is not None:
        examples = _with_negatives(log, examples, config.negatives, seed)
    check_splits(config.split, examples.user, examples.label, examples.split)
    examples = replace(examples, request=renumber(examples.request))
    return _write(folder, log, examples, config, counts)


def _check_unique(tables: Tables) -> None:
    keys: tuple[tuple[TableName, str], ...] = (
        ("items", "item_id"),
        ("users", "user_id"),
        ("impressions", "impression_id"),
    )
    for table, column in keys:
        frame = tables.table(table)
        if repeated := frame.height - frame[column].n_unique():
            first = frame.filter(pl.col(column).is_duplicated())[column].head(5).to_list()
            raise SchemaError(
                f"{repeated} rows repeat a {column}: {', '.join(map(str, first))}.",
                where=f"table {table}, column {column}",
                allowed=f"each {column} once",
                do="Remove the repeated rows.",
            )


def _read_log(tables: Tables) -> _Log:
    impressions = tables.impressions.sort("timestamp", "impression_id", maintain_order=True)
    frames = (tables.users, impressions, tables.behaviours)
    users = pl.concat([frame["user_id"] for frame in frames]).unique(maintain_order=True)
    timelines = build_timelines(
        _positions(tables.behaviours["user_id"], users),
        codes_of(tables.behaviours["item_id"], tables.items["item_id"]),
        tables.behaviours["timestamp"].to_numpy(),
        num_users=len(users),
        impression_times=impressions["timestamp"].to_numpy(),
    )
    return _Log(tables, impressions, users, timelines)


def _positions(ids: pl.Series, known: pl.Series) -> Int64[np.ndarray, " N"]:
    """Return the position of each id in ``known``, which holds all of them."""
    return codes_of(ids, known).astype(np.int64) - FIRST


def _examples(log: _Log, config: ExamplesConfig) -> tuple[_Examples, dict[str, Scalar]]:
    """Return the log's own examples, and how many impressions were dropped, by reason."""
    impressions, timelines = log.impressions, log.timelines
    catalogue = log.tables.items["item_id"]
    user = _positions(impressions["user_id"], log.users)
    time = impressions["timestamp"].to_numpy()
    logged = codes_of(impressions["trigger_item_id"].cast(catalogue.dtype), catalogue)
    end = timelines.first_at_or_after(user, time)
    triggers = find_triggers(config, timelines, user, time, ends=end, logged=logged)
    start = history_starts(
        timelines,
        user,
        time,
        ends=end,
        history_days=config.history_days,
        history_length=config.history_length,
    )
    examples = _Examples(
        row=np.arange(len(user)),
        user=user,
        target_item=codes_of(impressions["item_id"], catalogue),
        trigger_item=triggers.item,
        time=time,
        label=impressions["label"].to_numpy(),
        request=number_requests(user, triggers, impressions["request_id"]),
        split=np.zeros(len(user), dtype=np.int8),
        history_start=start,
        history_end=end,
    )
    kept = examples.take(np.flatnonzero(_kept(config, triggers.present)))
    kept = replace(kept, request=renumber(kept.request))
    split = assign_splits(config.split, kept.user, kept.time, kept.request, kept.label)
    used = replace(kept, split=split).take(np.flatnonzero(split >= 0))
    dropped: dict[str, Scalar] = {
        "dropped_without_trigger": len(user) - len(kept.user),
        "dropped_before_train": len(kept.user) - len(used.user),
    }
    return used, dropped


def _kept(config: ExamplesConfig, has_trigger: Bool[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    if config.trigger == "none" or config.missing_trigger == "mask":
        return np.ones(len(has_trigger), dtype=bool)
    return has_trigger


def _with_negatives(
    log: _Log, examples: _Examples, settings: NegativesConfig, seed: int
) -> _Examples:
    """Return the examples with drawn negatives, each right after its positive."""
    if logged := int((examples.label == 0).sum()):
        raise ConfigError(
            f"The log has {logged} negatives of its own; none are to be drawn.",
            where="examples.negatives",
            allowed="null, for a log with negatives",
            do="Remove examples.negatives, or map only the positives.",
        )
    category = None
    if settings.kind == "same_category":
        category = _category(log.tables, settings.category)
    timelines = log.timelines
    train = examples.target_item[examples.split == 0]
    num_items = log.tables.items.height
    pool = Pool(num_items, np.bincount(train, minlength=num_items + FIRST), category)
    owners = np.repeat(np.arange(len(timelines.offsets) - 1), np.diff(timelines.offsets))
    owned = (
        np.concatenate([owners, examples.user]),
        np.concatenate([timelines.items, examples.target_item]),
    )
    positives = (examples.user, examples.target_item)
    drawn = draw_negatives(settings, pool, positives, owned, np.random.default_rng(seed))
    grown = examples.take(np.repeat(np.arange(len(drawn)), settings.per_positive + 1))
    targets = np.concatenate([examples.target_item[:, None], drawn], axis=1)
    labels = np.zeros(targets.shape, dtype=np.int8)
    labels[:, 0] = 1
    return replace(grown, target_item=targets.ravel(), label=labels.ravel())


def _category(tables: Tables, column: str | None) -> Int32[np.ndarray, " I"]:
    if column is None or column not in tables.spec.item_fields:
        raise ConfigError(
            f"{column!r} is no categorical column of the items.",
            where="examples.negatives.category",
            allowed=", ".join(tables.spec.item_fields) or "none: the items have no such column",
            do="Name one of these, or use kind 'uniform'.",
        )
    values = tables.items[column]
    return np.r_[np.zeros(FIRST, np.int32), codes_of(values, values.drop_nulls().unique())]


def _write(
    folder: Path,
    log: _Log,
    examples: _Examples,
    config: ExamplesConfig,
    counts: dict[str, Scalar],
) -> dict[str, Scalar]:
    timelines, shown = log.timelines, log.impressions[examples.row]
    train = examples.take(np.flatnonzero(examples.split == 0))
    order, num_train_users = _train_users_first(train.user, len(log.users))
    seen = Seen(
        users=log.users[order],
        num_train_users=num_train_users,
        items=_seen_items(train, timelines, log.tables.items.height),
        context=shown.filter(pl.Series(examples.split == 0)),
    )
    vocabularies = fit_vocabularies(log.tables, seen, config)
    user_code = np.empty(len(order), dtype=np.int32)
    user_code[order] = np.arange(FIRST, FIRST + len(order), dtype=np.int32)
    padding = np.zeros(config.history_length, dtype=np.int32)  # a window may reach past the end
    arrays = {
        **{name: column for name, column in vars(examples).items() if name != "row"},
        "user": user_code[examples.user],
        "impression": shown["impression_id"].to_numpy(),
        "context_fields": encode_fields(shown, vocabularies.context),
        "user_fields": encode_users(log.tables, vocabularies),
        "item_fields": encode_items(log.tables, vocabularies),
        "item_train_count": np.bincount(train.target_item, minlength=len(seen.items) + FIRST),
        "event_item": np.r_[timelines.items, padding],
        "event_time": np.r_[timelines.times, padding],
        "timeline_start": np.r_[0, 0, timelines.offsets[:-1][order]],
        "timeline_end": np.r_[0, 0, timelines.offsets[1:][order]],
    }
    summary = counts | _summary(examples, timelines, seen)
    facts = {
        "spec": vocabularies.spec.model_dump(),
        "config": config.model_dump(),
        "num_examples": summary["examples"],
        "num_requests": summary["requests"],
        "origin_s": timelines.origin_s,
        "summary": summary,
    }
    write_store(folder, facts, arrays, vocabularies)
    return summary


def _train_users_first(
    train: Int[np.ndarray, " T"], num_users: int
) -> tuple[Int64[np.ndarray, " U"], int]:
    """Return the users in order of code, and how many of them train has."""
    in_train = np.zeros(num_users, dtype=bool)
    in_train[train] = True
    return np.argsort(~in_train, kind="stable"), int(in_train.sum())


def _seen_items(train: _Examples, timelines: Timelines, num_items: int) -> Bool[np.ndarray, " I"]:
    steps = np.zeros(len(timelines.items) + 1, dtype=np.int64)
    np.add.at(steps, train.history_start, 1)
    np.add.at(steps, train.history_end, -1)
    in_history = timelines.items[np.cumsum(steps[:-1]) > 0]
    seen = np.zeros(num_items + FIRST, dtype=bool)
    for codes in (in_history, train.target_item, train.trigger_item):
        seen[codes] = True
    return seen[FIRST:]


def _summary(examples: _Examples, timelines: Timelines, seen: Seen) -> dict[str, Scalar]:
    lengths = examples.history_end - examples.history_start
    summary: dict[str, Scalar] = {
        "examples": len(examples.user),
        "requests": int(examples.request.max()) + 1,
        "users": len(seen.users),
        "train_users": seen.num_train_users,
        "items": len(seen.items),
        "train_items": int(seen.items.sum()),
        "events": len(timelines.items),
        "trigger_share": round(float((examples.trigger_item > 0).mean()), 6),
        "mean_history_length": round(float(lengths.mean()), 4),
    }
    for index, name in enumerate(SPLITS):
        labels = examples.label[examples.split == index]
        summary |= {f"{name}_examples": len(labels), f"{name}_clicks": int(labels.sum())}
    return summary
