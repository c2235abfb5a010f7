"""A store grown part by part holds what one built from the whole log holds."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.data.append import append_examples
from models.data.codes import UNKNOWN
from models.data.example_settings import ExamplesConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage
from models.data.negatives import NegativesConfig
from models.data.splits import SplitConfig
from models.data.tables import Tables
from models.errors import ConfigError, SchemaError, SplitError

START, HOUR, DAY = 1_600_000_000, 3600, 86400
USER = st.sampled_from(["ann", "bob", "cleo", "dora", "emil"])
ITEM = st.integers(100, 107)
TIME = st.integers(0, 60).map(lambda step: START + step * 3 * HOUR)
IMPRESSIONS = st.lists(
    st.tuples(USER, ITEM, TIME, st.integers(0, 1), st.none() | st.integers(1, 9), st.none() | ITEM),
    min_size=40,
    max_size=90,
)
BEHAVIOURS = st.lists(st.tuples(USER, ITEM, TIME), max_size=80, unique=True)
SPLITS = [
    SplitConfig(kind="days"),
    SplitConfig(kind="ratio", ratio=(2, 1, 1)),
    SplitConfig(kind="ratio", scope="user", ratio=(2, 1, 1)),
]
CONFIGS = st.builds(
    ExamplesConfig,
    history_days=st.sampled_from([None, 2]),
    history_length=st.sampled_from([2, 50]),
    trigger=st.sampled_from(["log", "derived", "none"]),
    trigger_window_s=st.sampled_from([4 * HOUR, 30 * HOUR]),
    split=st.sampled_from(SPLITS),
)


def in_ids(store: ExampleStore) -> list[dict[str, Any]]:
    """Every example in original ids, with the impressions of its request."""
    together: dict[int, set[int]] = {}
    for request, impression in zip(store.request.tolist(), store.impression.tolist(), strict=True):
        together.setdefault(request, set()).add(impression)
    jagged = store.jagged(np.arange(store.num_examples))
    users, items = store.user_ids.to_list(), store.item_ids.to_list()
    return [
        {
            "impression": int(store.impression[row]),
            "user": users[store.user[row]],
            "item": items[store.target_item[row]],
            "trigger": items[store.trigger_item[row]],
            "time": int(store.time[row]),
            "label": int(store.label[row]),
            "split": int(store.split[row]),
            "request": together[int(store.request[row])],
            "history": [
                (items[item], int(age))
                for item, age in zip(
                    jagged.values[jagged.offsets[row] : jagged.offsets[row + 1]],
                    jagged.age_s[jagged.offsets[row] : jagged.offsets[row + 1]],
                    strict=True,
                )
            ],
        }
        for row in range(store.num_examples)
    ]


def values(store: ExampleStore) -> list[list[Any]]:
    """The field values of user, target item and context of every example."""
    own = store.vocabularies()
    sides = (
        (own.user, store.user_fields[store.user]),
        (own.item, store.item_fields[store.target_item]),
        (own.context, store.context_fields),
    )
    return [
        [
            code if field.edges is not None or code < 2 else field.values[code - 2]
            for fields, codes in sides
            for field, code in zip(fields, codes[row], strict=True)
        ]
        for row in range(store.num_examples)
    ]


def part_of(tables: Tables, shown: np.ndarray, events: np.ndarray) -> Tables:
    return replace(
        tables,
        impressions=tables.impressions.filter(pl.Series(shown)),
        behaviours=tables.behaviours.filter(pl.Series(events)),
    )


def grow(
    parts: list[Tables], config: ExamplesConfig, folder: Path, part_events: int = 4_000_000
) -> ExampleStore | None:
    """Build from the first part and append the others; None where a split is refused early on."""
    try:
        build_example_store(parts[0], config, folder / "0", seed=0)
        for number, part in enumerate(parts[1:], start=1):
            append_examples(folder / f"{number - 1}", part, config, folder / f"{number}", seed=0)
    except (SplitError, SchemaError):
        return None
    store = ExampleStore.open(folder / f"{len(parts) - 1}")
    store.vocabularies()
    return store


def whole(tables: Tables, config: ExamplesConfig, folder: Path) -> ExampleStore:
    build_example_store(tables, config, folder, seed=0)
    store = ExampleStore.open(folder)
    store.vocabularies()
    return store


def days_of(tables: Tables, firsts: list[int]) -> list[Tables]:
    """The log in parts that begin at the given days."""
    cuts = np.array([START + day * DAY for day in firsts])
    shown = np.searchsorted(cuts, tables.impressions["timestamp"].to_numpy(), "right")
    events = np.searchsorted(cuts, tables.behaviours["timestamp"].to_numpy(), "right")
    return [part_of(tables, shown == i, events == i) for i in range(len(cuts) + 1)]


@settings(max_examples=40, deadline=None)
@given(
    impressions=IMPRESSIONS,
    behaviours=BEHAVIOURS,
    config=CONFIGS,
    missing=st.sampled_from(["drop", "mask"]),
    train_days=st.sampled_from([None, 2]),
    firsts=st.lists(st.integers(4, 7), min_size=1, max_size=3, unique=True).map(sorted),
)
def test_days_appended_give_what_a_full_build_gives(
    impressions, behaviours, config, missing, train_days, firsts, make_tables
) -> None:
    split = config.split
    if split.kind == "days":
        split = split.model_copy(update={"train_days": train_days})
    if split.train_days is not None:  # a page is over when its day is: it cannot outlive the window
        impressions = [(*row[:4], row[4] and row[2] // DAY, row[5]) for row in impressions]
    config = config.model_copy(update={"missing_trigger": missing, "split": split})
    tables = make_tables(impressions, behaviours)
    with tempfile.TemporaryDirectory() as name:
        grown = grow(days_of(tables, firsts), config, Path(name))
        if grown is None:
            return
        event("compared")
        full = whole(tables, config, Path(name) / "full")
        assert in_ids(grown) == in_ids(full)
        if split.train_days is None:
            # A row that was in train once may leave it as a share of the log moves; what it taught
            # stays known. The bins of prices are kept, too.
            assert set(full.vocabularies().known_users) <= set(grown.vocabularies().known_users)
            for ours, theirs in zip(values(grown), values(full), strict=True):
                pairs = zip(ours[:2] + ours[3:], theirs[:2] + theirs[3:], strict=True)
                assert all(a == b or b == UNKNOWN for a, b in pairs)
        check_leakage(grown)


@settings(max_examples=40, deadline=None)
@given(
    impressions=IMPRESSIONS,
    behaviours=BEHAVIOURS,
    config=CONFIGS,
    dealt=st.lists(st.integers(0, 2), min_size=170, max_size=170),
    again=st.booleans(),
    part_events=st.sampled_from([1, 9, 1000]),
)
def test_late_and_repeated_rows_take_their_place(
    impressions, behaviours, config, dealt, again, part_events, make_tables
) -> None:
    """Parts are dealt at random, whatever the time; the whole log is their concatenation."""
    tables = make_tables(impressions, behaviours)
    shown = np.array(dealt[: len(impressions)])
    events = np.array(dealt[len(impressions) :][: len(behaviours)], dtype=int)
    parts = [part_of(tables, shown == i, events == i) for i in range(3)]
    full = replace(tables, behaviours=pl.concat([part.behaviours for part in parts]))
    if again:  # the last part brings everything once more
        parts[2] = replace(
            full, behaviours=full.behaviours.sample(fraction=1, shuffle=True, seed=3)
        )
        unique = full.behaviours.unique(["user_id", "timestamp"], keep="first")
        if unique.height < full.behaviours.height:
            return  # events of one second come in the order of their table
    with tempfile.TemporaryDirectory() as name:
        grown = grow(parts, config, Path(name), part_events)
        if grown is None:
            return
        event("compared")
        expected = in_ids(whole(full, config, Path(name) / "full"))
        assert in_ids(grown) == expected


def steady_log(make_tables, days: int = 12, num_items: int = 8) -> Tables:
    """Four users; every day a page of two items each, one of which is clicked."""
    impressions, behaviours = [], []
    for day in range(days):
        users = ("ann", "bob", "cleo", "dora") if day > 6 else ("ann", "bob", "cleo")
        for place, user in enumerate((*users, "emil") if day == 11 else users):
            time = START // DAY * DAY + day * DAY + (9 + place) * HOUR
            for shown in range(2):
                item = 100 + (day + place + shown) % 8
                impressions.append((user, item, time, int(shown == day % 2)))
            behaviours.append((user, 100 + (day * place) % 8, time - 60))
    return make_tables(impressions, behaviours, num_items=num_items)


CONFIG = ExamplesConfig(history_days=None, trigger="derived", split=SplitConfig(kind="days"))


def steady_parts(make_tables, first_day: int = 10) -> tuple[Tables, list[Tables]]:
    tables = steady_log(make_tables)
    cut = START // DAY * DAY + first_day * DAY
    shown = tables.impressions["timestamp"].to_numpy() >= cut
    events = tables.behaviours["timestamp"].to_numpy() >= cut
    return tables, [part_of(tables, ~shown, ~events), part_of(tables, shown, events)]


def test_codes_a_model_has_seen_never_change(make_tables, tmp_path: Path) -> None:
    tables, parts = steady_parts(make_tables, first_day=9)
    few = tables.items.head(7)
    parts[0] = replace(parts[0], items=few, users=tables.users.head(3))
    grown = grow(parts, CONFIG, tmp_path)
    assert grown is not None
    old = ExampleStore.open(tmp_path / "0").vocabularies()
    new = grown.vocabularies()
    assert new.known_items[: len(old.known_items)].equals(old.known_items)
    assert len(new.known_items) == 8
    train = old.num_train_users
    assert new.num_train_users == train + 1  # dora came to train
    assert new.known_users.to_list() == ["ann", "bob", "cleo", "dora", "emil"]
    assert new.known_users[:train].equals(old.known_users[:train])
    for name in ("user", "item", "context"):
        for before, after in zip(getattr(old, name), getattr(new, name), strict=True):
            assert after.values[: len(before.values)] == before.values
            assert after.edges == before.edges


def test_a_value_is_known_once_train_shows_it(make_tables, tmp_path: Path) -> None:
    _, parts = steady_parts(make_tables)
    watch = pl.lit("watch")
    newest = pl.col("timestamp") >= START // DAY * DAY + 9 * DAY  # test of the first part
    parts[0] = replace(
        parts[0],
        impressions=parts[0].impressions.with_columns(
            device=pl.when(newest).then(watch).otherwise(pl.col("device"))
        ),
    )
    grown = grow(parts, CONFIG, tmp_path)
    assert grown is not None
    first = ExampleStore.open(tmp_path / "0")
    late = np.flatnonzero(first.split == 2)
    assert set(first.context_fields[late, 0].tolist()) == {1}
    code = 2 + grown.vocabularies().context[0].values.index("watch")
    same = np.isin(grown.impression, first.impression[late])
    assert set(grown.context_fields[same, 0].tolist()) == {code}


def test_the_same_day_twice_changes_nothing(make_tables, tmp_path: Path) -> None:
    _, parts = steady_parts(make_tables)
    grow([*parts, parts[1]], CONFIG, tmp_path)
    once, twice = tmp_path / "1", tmp_path / "2"
    for path in once.iterdir():
        if path.name != "store.json":
            assert path.read_bytes() == (twice / path.name).read_bytes(), path.name
    summary = ExampleStore.open(twice).summary
    assert summary["appended_impressions"] == summary["appended_events"] == 0
    assert summary["repeated_impressions"] == 18


def test_the_store_appended_to_stays_as_it_was(make_tables, tmp_path: Path) -> None:
    _, parts = steady_parts(make_tables)
    build_example_store(parts[0], CONFIG, tmp_path / "0", seed=0)
    before = {path.name: path.read_bytes() for path in (tmp_path / "0").iterdir()}
    append_examples(tmp_path / "0", parts[1].scan(), CONFIG, tmp_path / "1", seed=0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "0").iterdir()} == before


def test_old_negatives_stay_and_new_positives_get_their_own(make_tables, tmp_path: Path) -> None:
    tables = steady_log(make_tables, num_items=20)
    tables = replace(tables, impressions=tables.impressions.filter(pl.col("label") == 1))
    cut = START // DAY * DAY + 10 * DAY
    shown = tables.impressions["timestamp"].to_numpy() >= cut
    events = tables.behaviours["timestamp"].to_numpy() >= cut
    parts = [part_of(tables, ~shown, ~events), part_of(tables, shown, events)]
    negatives = NegativesConfig(per_positive=1)
    config = CONFIG.model_copy(update={"negatives": negatives, "trigger": "none"})
    grown = grow(parts, config, tmp_path)
    assert grown is not None
    old = ExampleStore.open(tmp_path / "0")
    assert grown.num_examples == 2 * tables.impressions.height
    assert grown.target_item[: old.num_examples].tolist() == old.target_item.tolist()
    assert grown.label.tolist() == [1, 0] * tables.impressions.height
    items, users = grown.item_ids.to_list(), grown.user_ids.to_list()
    owned = {(user, item) for user, item in tables.behaviours.select("user_id", "item_id").rows()}
    for row in range(old.num_examples + 1, grown.num_examples, 2):
        assert (users[grown.user[row]], items[grown.target_item[row]]) not in owned
    check_leakage(grown)


def test_other_settings_are_refused_by_name(make_tables, tmp_path: Path) -> None:
    _, parts = steady_parts(make_tables)
    build_example_store(parts[0], CONFIG, tmp_path / "0", seed=0)
    longer = CONFIG.model_copy(update={"history_length": 20, "min_count": 2})
    with pytest.raises(ConfigError, match="other settings: history_length, min_count"):
        append_examples(tmp_path / "0", parts[1], longer, tmp_path / "1", seed=0)
    other = CONFIG.model_copy(update={"split": SplitConfig(kind="ratio", ratio=(6, 1, 1))})
    append_examples(tmp_path / "0", parts[1], other, tmp_path / "2", seed=0)
    assert ExampleStore.open(tmp_path / "2").config == other


@pytest.mark.parametrize(("table", "column"), [("items", "item_id"), ("impressions", "device")])
def test_other_types_are_refused_by_name(
    table: str, column: str, make_tables, tmp_path: Path
) -> None:
    _, parts = steady_parts(make_tables)
    build_example_store(parts[0], CONFIG, tmp_path / "0", seed=0)
    if column == "device":
        bad = replace(parts[1], impressions=parts[1].impressions.with_columns(device=pl.lit(3)))
    else:
        text = pl.col(column).cast(pl.String)
        bad = replace(
            parts[1],
            items=parts[1].items.with_columns(text),
            impressions=parts[1].impressions.with_columns(
                text, pl.col("trigger_item_id").cast(pl.String)
            ),
            behaviours=parts[1].behaviours.with_columns(text),
        )
    with pytest.raises(SchemaError, match=f"{column}.*has type"):
        append_examples(tmp_path / "0", bad, CONFIG, tmp_path / "1", seed=0)
