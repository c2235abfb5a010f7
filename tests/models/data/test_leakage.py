from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage, single_feature_aucs
from models.data.splits import SplitConfig
from models.errors import LeakageError

START = 1_600_000_000
CONFIG = ExamplesConfig(
    history_days=None,
    trigger="derived",
    trigger_window_s=90_000,
    split=SplitConfig(kind="ratio", scope="global"),
)


@pytest.fixture
def log(make_tables):
    """Two users; a page of two items every hour, of which one is clicked."""
    rng = np.random.default_rng(0)
    impressions, events = [], []
    for page in range(60):
        user, time = ("ann", "bob")[page % 2], START + page * 3600
        first = 100 + int(rng.integers(0, 4))
        impressions += [(user, first, time, 1), (user, first + 4, time, 0)]
        events.append((user, first, time))
    return make_tables(impressions, events)


@pytest.fixture
def folder(log, tmp_path: Path) -> Path:
    build_example_store(log, CONFIG, tmp_path, seed=0)
    return tmp_path


def tamper(folder: Path, name: str, change) -> ExampleStore:
    column = np.load(folder / f"{name}.npy", allow_pickle=False)
    change(column)
    np.save(folder / f"{name}.npy", column, allow_pickle=False)
    return ExampleStore.open(folder)


def test_a_store_as_built_passes(folder: Path) -> None:
    check_leakage(ExampleStore.open(folder))


def see_the_present(column: np.ndarray) -> None:
    column[40] += 1


def swap_splits(column: np.ndarray) -> None:
    column[:2], column[-2:] = 2, 0


def divide_a_request(column: np.ndarray) -> None:
    row = np.flatnonzero(column == 1)[0]
    column[row] = 0


@pytest.mark.parametrize(
    ("column", "change", "problem"),
    [
        ("history_end", see_the_present, "at or after its own time"),
        ("history_start", lambda c: c.__isub__(3), "events of another user"),
        ("trigger_item", lambda c: np.place(c, c > 0, 9), "not the event just before"),
        ("split", swap_splits, "begins before the earlier one ends"),
        ("split", divide_a_request, "request that two splits share"),
        ("item_train_count", lambda c: c.__iadd__(1), "fitted on more than train"),
        ("user", lambda c: c.__iadd__(2), "user that the model does not know"),
    ],
)
def test_every_kind_of_leak_is_named(folder: Path, column: str, change, problem: str) -> None:
    if column == "user":  # two more rows, so that the codes stay readable
        for name in ("timeline_start", "timeline_end", "user_fields"):
            old = np.load(folder / f"{name}.npy")
            np.save(folder / f"{name}.npy", np.concatenate([old[:2], old[:2], old[2:]]))
    store = tamper(folder, column, change)
    with pytest.raises(LeakageError, match=problem):
        check_leakage(store)


def test_a_context_column_that_repeats_the_label_scores_one(log) -> None:
    leak = pl.when(pl.col("label") == 1).then(pl.lit("phone")).otherwise(pl.lit("laptop"))
    leaky = log.impressions.with_columns(leak.alias("device"))
    tables = type(log)(log.spec, log.items, log.users, leaky, log.behaviours)
    assert single_feature_aucs(tables)["impressions.device"] == 1.0
    assert single_feature_aucs(log)["impressions.device"] < 0.75


def test_a_number_that_falls_with_the_label_scores_above_a_half(log) -> None:
    aucs = single_feature_aucs(log)
    assert set(aucs) == {
        "impressions.user_id",
        "impressions.item_id",
        "impressions.timestamp",
        "impressions.device",
        "items.colour",
        "items.price",
        "users.segment",
    }
    assert all(0.5 <= value <= 1 for value in aucs.values())
    assert aucs["impressions.timestamp"] == 0.5
    assert aucs["items.price"] > 0.8  # the clicked item is the one with the lower number


def test_the_sample_bounds_the_work(log) -> None:
    assert single_feature_aucs(log, max_rows=20, seed=1) == single_feature_aucs(
        log, max_rows=20, seed=1
    )
