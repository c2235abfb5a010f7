"""Checks that no example knows its future, and that no single feature gives its label away."""

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int, Int64

from models.data.codes import FIRST
from models.data.request_index import first_rows
from models.data.store import SPLITS, ExampleStore
from models.data.tables import Tables
from models.errors import LeakageError


def check_leakage(store: ExampleStore) -> None:
    """Check what a store promises, on every example.

    Histories and derived triggers lie strictly before their impression and belong to its user; a
    request is of one split; no split begins before the one it follows ends; users known to
    a model, and the counts of items, are those of train.

    Raises:
        LeakageError: naming the promise, how many examples break it and the first five.
    """
    _require(store, _foreign_history(store), "has history events of another user")
    _require(store, _late_history(store), "has a history event at or after its own time")
    _require(store, _wrong_trigger(store), "has a trigger that is not the event just before it")
    _require(store, _divided_request(store), "is of a request that two splits share")
    _require(store, _out_of_order(store), "is of a split that begins before the earlier one ends")
    _require(store, _unfitted(store), "is of train, with a user that the model does not know")
    _check_fitted_on_train(store)


def single_feature_aucs(
    tables: Tables, *, max_rows: int = 500_000, seed: int = 0
) -> dict[str, float]:
    """Return, for each feature of the log alone, the AUC it reaches: 0.5 … 1, whatever its sign.

    A category scores as its click rate in the other half of the rows, so rare values do not give
    their own label away; a number scores as itself. Near 1 the label itself has become a feature.

    Args:
        tables: The canonical tables.
        max_rows: A sample of this many impressions is read.
        seed: Of the sample and the halves.
    """
    rng = np.random.default_rng(seed)
    spec, sample = (
        tables.spec,
        tables.impressions.select(
            "user_id",
            "item_id",
            "trigger_item_id",
            "timestamp",
            "label",
            *tables.spec.context_fields,
        ),
    )
    if sample.height > max_rows:
        sample = sample[np.sort(rng.choice(sample.height, max_rows, replace=False))]
    items = tables.items.select(
        "item_id", *_prefixed("items", spec.item_fields + spec.item_numeric)
    )
    users = tables.users.select("user_id", *_prefixed("users", spec.user_fields))
    joined = sample.join(items, on="item_id", how="left", maintain_order="left").join(
        users, on="user_id", how="left", maintain_order="left"
    )
    label = joined["label"].to_numpy().astype(np.float64)
    half = rng.integers(0, 2, joined.height).astype(bool)
    numbers = {"timestamp", *(f"items.{name}" for name in spec.item_numeric)}
    aucs: dict[str, float] = {}
    for name in joined.columns:
        if name == "label" or joined[name].null_count() == joined.height:
            continue
        column = joined[name]
        scores = _as_number(column) if name in numbers else _click_rates(column, label, half)
        area = _auc(label, scores)
        aucs[name if "." in name else f"impressions.{name}"] = max(area, 1 - area)
    return aucs


def _prefixed(table: str, columns: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.col(column).alias(f"{table}.{column}") for column in columns]


def _as_number(column: pl.Series) -> Float[np.ndarray, " N"]:
    numbers = column.cast(pl.Float64).fill_nan(None)
    return numbers.fill_null(numbers.median()).to_numpy()


def _click_rates(
    column: pl.Series, label: Float[np.ndarray, " N"], half: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    codes = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    rates = np.empty(len(label))
    for side in (False, True):
        other = half != side
        clicks = np.bincount(codes[other], weights=label[other], minlength=codes.max() + 1)
        shown = np.bincount(codes[other], minlength=codes.max() + 1)
        mean = label[other].mean() if other.any() else 0.5
        rates[half == side] = np.where(shown > 0, clicks / np.maximum(shown, 1), mean)[
            codes[half == side]
        ]
    return rates


def _auc(label: Float[np.ndarray, " N"], scores: Float[np.ndarray, " N"]) -> float:
    """Return the area under the ROC curve, ties counting half; 0.5 where one class is absent."""
    positives, negatives = label.sum(), len(label) - label.sum()
    if not positives or not negatives:
        return 0.5
    ranks = pl.Series(scores).rank("average").to_numpy()
    above = ranks[label > 0].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def _require(store: ExampleStore, broken: Bool[np.ndarray, " N"], problem: str) -> None:
    rows = np.flatnonzero(broken)
    if len(rows):
        first = ", ".join(map(str, store.impression[rows[:5]].tolist()))
        raise LeakageError(
            f"{len(rows)} of {store.num_examples} examples leak: each {problem}.",
            where=f"example store {store.folder}, impressions {first}",
            allowed="none",
            do="Build the store again; if that does not help, report a bug with these rows.",
        )


def _late_history(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    last = np.maximum(store.history_end.astype(np.int64) - 1, 0)
    has_history = store.history_end > store.history_start
    return has_history & (store.event_times_s(last) >= store.time)


def _foreign_history(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    return (store.history_start < store.timeline_start[store.user]) | (
        store.history_end > store.timeline_end[store.user]
    )


def _wrong_trigger(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    if store.config.trigger != "derived":
        return np.zeros(store.num_examples, dtype=bool)
    last = store.history_end.astype(np.int64) - 1
    own = last >= store.timeline_start[store.user]
    last = np.maximum(last, 0)
    age = store.time - store.event_times_s(last)
    right = own & (store.event_items(last) == store.trigger_item)
    right &= (age > 0) & (age <= store.config.trigger_window_s)
    return (store.trigger_item > 0) & ~right


def _divided_request(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    first = first_rows(store.request)
    return store.split[first][store.request] != store.split


def _out_of_order(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    """Compare when requests begin: over all users, or within each where the split is per user."""
    config = store.config.split
    of_user = config.kind == "leave_one_out" or (config.kind == "ratio" and config.scope == "user")
    group = store.user if of_user else np.zeros(store.num_examples, dtype=np.int32)
    first = first_rows(store.request)
    begins = store.time[first][store.request]
    broken = np.zeros(store.num_examples, dtype=bool)
    for index in range(1, len(SPLITS)):
        earlier, later = store.split < index, store.split == index
        latest = _latest(group, begins, earlier)
        broken |= later & (begins < latest[group])
    return broken


def _latest(
    group: Int[np.ndarray, " N"], times: Int64[np.ndarray, " N"], rows: Bool[np.ndarray, " N"]
) -> Int64[np.ndarray, " G"]:
    latest = np.full(int(group.max(initial=0)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, group[rows], times[rows])
    return latest


def _unfitted(store: ExampleStore) -> Bool[np.ndarray, " N"]:
    return (store.split == 0) & (store.user >= store.spec.num_users)


def _check_fitted_on_train(store: ExampleStore) -> None:
    train = store.rows("train")
    known = store.spec.num_users - FIRST
    carried = store.carried_users  # known before the last append; train need not have them still
    of_train = np.unique(store.user[train]) - FIRST
    shown = carried + int((of_train >= carried).sum())
    counts = np.bincount(store.target_item[train], minlength=store.spec.num_items)
    if known != shown or not np.array_equal(counts, store.item_train_count):
        raise LeakageError(
            f"Something was fitted on more than train: {known} known users, {shown} in train.",
            where=f"example store {store.folder}",
            allowed="users and item counts of the train split alone",
            do="Build the store again; if that does not help, report a bug.",
        )
