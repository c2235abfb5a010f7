import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.data.example_settings import ExamplesConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage
from models.data.negatives import NegativesConfig
from models.data.splits import SplitConfig
from models.errors import ConfigError, CorruptArtifactError, SchemaError, SplitError

START, HOUR, DAY = 1_600_000_000, 3600, 86400
ITEM = st.integers(100, 107)
USER = st.sampled_from(["ann", "bob", "cleo"])
TIME = st.integers(0, 60).map(lambda step: START + step * 3 * HOUR)  # coarse, so ties abound
REQUESTS = st.sampled_from(["none", "none", "page", "page", "any"])


@st.composite
def impressions_of_a_log(draw: st.DrawFn) -> list[tuple]:
    rows = st.tuples(USER, ITEM, TIME, st.integers(0, 1), REQUESTS, st.none() | ITEM)
    log = draw(st.lists(rows, min_size=30, max_size=80))
    request = {"none": lambda _: None, "page": lambda time: time // DAY, "any": lambda _: 7}
    return [(user, item, time, label, request[kind](time), trigger)
            for user, item, time, label, kind, trigger in log]  # fmt: skip


IMPRESSIONS = impressions_of_a_log()
BEHAVIOURS = st.lists(st.tuples(USER, ITEM, TIME), max_size=80)
SPLITS = st.one_of(
    st.builds(
        SplitConfig,
        kind=st.just("days"),
        train_days=st.none() | st.integers(1, 4),
        valid_days=st.integers(1, 2),
        test_days=st.integers(1, 2),
    ),
    st.builds(
        SplitConfig,
        kind=st.just("ratio"),
        scope=st.sampled_from(["user", "global"]),
        ratio=st.sampled_from([(7, 2, 1), (2, 1, 1), (0.6, 0.2, 0.2)]),
    ),
    st.just(SplitConfig(kind="leave_one_out")),
)
CONFIGS = st.builds(
    ExamplesConfig,
    history_days=st.sampled_from([None, 0.5, 2]),
    history_length=st.sampled_from([1, 3, 50]),
    trigger=st.sampled_from(["log", "derived", "none"]),
    trigger_window_s=st.sampled_from([3 * HOUR, 4 * HOUR, 30 * HOUR]),
    missing_trigger=st.sampled_from(["drop", "mask"]),
    split=SPLITS,
)


def build(tables, config, seed: int = 0) -> ExampleStore:
    with tempfile.TemporaryDirectory() as folder:
        build_example_store(tables, config, Path(folder), seed=seed)
        store = ExampleStore.open(Path(folder))
        store.item_ids, store.user_ids  # noqa: B018  read before the folder goes
        return store


def ids(known: pl.Series, codes: np.ndarray) -> list:
    return known[codes].to_list()


@settings(max_examples=60, deadline=None)
@given(impressions=IMPRESSIONS, behaviours=BEHAVIOURS, config=CONFIGS)
def test_the_store_holds_what_the_slow_reference_says(
    impressions, behaviours, config, reference, make_tables
) -> None:
    tables = make_tables(impressions, behaviours)
    expected = reference(tables, config)
    try:
        store = build(tables, config)
    except SplitError:
        event("split refused")
        splits = [{e.label for e in expected if e.split == index} for index in range(3)]
        users = {example.user for example in expected}
        assert len(users) < 2 or any(labels != {0, 1} for labels in splits)
        return
    except SchemaError:
        event("no trigger")
        masked = config.model_copy(update={"missing_trigger": "mask"})
        assert all(example.trigger is None for example in reference(tables, masked))
        return
    event("compared")
    assert store.impression.tolist() == [e.impression for e in expected]
    assert ids(store.user_ids, store.user) == [e.user for e in expected]
    assert ids(store.item_ids, store.target_item) == [e.item for e in expected]
    assert ids(store.item_ids, store.trigger_item) == [e.trigger for e in expected]
    assert store.time.tolist() == [e.time for e in expected]
    assert store.label.tolist() == [e.label for e in expected]
    assert store.split.tolist() == [e.split for e in expected]
    assert_same_histories(store, expected)
    numbers: dict[object, int] = {}
    assert store.request.tolist() == [numbers.setdefault(e.request, len(numbers)) for e in expected]
    check_leakage(store)


def assert_same_histories(store: ExampleStore, expected: list) -> None:
    rows = np.arange(store.num_examples)
    jagged, batch = store.jagged(rows), store.gather(rows)
    assert batch.history.shape[1] == max([1, *(len(e.history) for e in expected)])
    for row, example in enumerate(expected):
        part = slice(jagged.offsets[row], jagged.offsets[row + 1])
        items, ages = jagged.values[part], jagged.age_s[part]
        want = [(item, example.time - at) for item, at in example.history]
        assert list(zip(ids(store.item_ids, items), ages.tolist(), strict=True)) == want
        length = len(want)
        assert batch.history_mask[row].tolist() == [
            place < length for place in range(batch.history.shape[1])
        ]
        assert batch.history[row, :length].tolist() == items.tolist()
        assert batch.history_age_s[row, :length].tolist() == ages.tolist()
        assert not batch.history[row, length:].any()
        assert not batch.history_age_s[row, length:].any()


def busy_log(make_tables, days: int = 20):
    """Three users, one page of three items each a day; users click in turn."""
    impressions, behaviours = [], []
    for day in range(days):
        for place, user in enumerate(("ann", "bob", "cleo")):
            time = START + day * 86400 + place * HOUR
            for shown in range(3):
                item = 100 + (day + place + shown) % 8
                impressions.append((user, item, time, int(shown == day % 2)))
                if shown == day % 2:
                    behaviours.append((user, item, time))
    return make_tables(impressions, behaviours)


CONFIG = ExamplesConfig(history_days=None, trigger="derived", trigger_window_s=2 * 86400)


def test_a_batch_has_int32_codes_and_a_float_label(make_tables) -> None:
    store = build(busy_log(make_tables), CONFIG)
    batch = store.gather(store.rows("valid"))
    codes = (batch.user, batch.target_item, batch.trigger_item, batch.history, batch.history_age_s)
    assert {tensor.dtype for tensor in (*codes, batch.user_fields, batch.context_fields)} == {
        torch.int32
    }
    assert batch.history_mask.dtype == torch.bool
    assert batch.label.dtype == torch.float32
    assert batch.context_fields.shape == (batch.size, 1)


def test_item_fields_follow_the_code_of_the_item(make_tables) -> None:
    tables = busy_log(make_tables)
    store = build(tables, CONFIG)
    assert store.spec.num_items == 10
    assert store.item_ids.to_list() == [None, None, *tables.items["item_id"]]
    assert store.item_fields[0].tolist() == [0, 0]
    assert store.item_fields[1].tolist() == [1, 1]
    assert store.item_fields[2:, 0].tolist() == [2, 3, 2, 3, 2, 3, 2, 3]
    prices = store.item_fields[2:, 1]
    assert prices[0] == prices[5] == 0  # items 100 and 105 have no price
    known = np.delete(prices, [0, 5])
    assert known.min() == 2
    assert (np.diff(known) >= 0).all()


def test_a_user_that_train_does_not_have_is_unknown_to_the_model_and_distinct_in_the_store(
    make_tables,
) -> None:
    tables = busy_log(make_tables)
    late = [("dora", 101, START + 19 * 86400 + 5 * HOUR, 1), ("emil", 102, START + 20 * 86400, 0)]
    impressions = [row[2:6] for row in tables.impressions.iter_rows()]
    events = [row[:3] for row in tables.behaviours.iter_rows()]
    store = build(make_tables([*impressions, *late], events), CONFIG)
    newest = np.arange(store.num_examples)[-2:]
    assert ids(store.user_ids, store.user[newest]) == ["dora", "emil"]
    assert (store.user[newest] >= store.spec.num_users).all()
    assert store.gather(newest).user.tolist() == [1, 1]


def test_a_store_opens_to_the_same_examples_and_stays_small(make_tables, tmp_path: Path) -> None:
    tables = busy_log(make_tables, days=2000)
    summary = build_example_store(tables, CONFIG, tmp_path, seed=0)
    store = ExampleStore.open(tmp_path)
    assert store.num_examples == summary["examples"] == 18_000
    assert store.config == CONFIG
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size / store.num_examples <= 60
    with pytest.raises(ValueError, match="read-only"):
        store.label[0] = 1


def test_building_twice_writes_the_same_bytes(make_tables, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_example_store(busy_log(make_tables), CONFIG, tmp_path / name, seed=3)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("damage", ["missing", "cut short", "another type"])
def test_a_damaged_store_is_refused(damage: str, make_tables, tmp_path: Path) -> None:
    build_example_store(busy_log(make_tables), CONFIG, tmp_path, seed=0)
    path = tmp_path / "target_item.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:100])
    else:
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptArtifactError, match="example store cannot be opened"):
        ExampleStore.open(tmp_path)


def test_an_unknown_split_is_named(make_tables) -> None:
    with pytest.raises(ConfigError, match=r"no split 'eval'.*\n.*train, valid, test"):
        build(busy_log(make_tables), CONFIG).rows("eval")


def test_triggers_that_no_impression_has_are_an_error(make_tables) -> None:
    tables = busy_log(make_tables)
    with pytest.raises(SchemaError, match="None of the 180 impressions has a trigger"):
        build(tables, CONFIG.model_copy(update={"trigger": "log"}))
    with pytest.raises(SchemaError, match="trigger within 1 s"):
        build(tables, CONFIG.model_copy(update={"trigger_window_s": 1}))


def test_repeated_keys_are_an_error(make_tables) -> None:
    tables = busy_log(make_tables)
    twice = pl.concat([tables.items, tables.items.head(2)])
    broken = type(tables)(tables.spec, twice, tables.users, tables.impressions, tables.behaviours)
    with pytest.raises(SchemaError, match="2 rows repeat a item_id: 100"):
        build(broken, CONFIG)


def test_a_target_outside_the_catalogue_is_unknown(make_tables) -> None:
    tables = busy_log(make_tables)
    shown = tables.impressions.with_columns(pl.lit(999, dtype=pl.Int64).alias("item_id"))
    strange = type(tables)(tables.spec, tables.items, tables.users, shown, tables.behaviours)
    assert set(build(strange, CONFIG).target_item.tolist()) == {1}


POSITIVES = st.lists(st.tuples(USER, ITEM, TIME), min_size=20, max_size=60)


@settings(max_examples=25, deadline=None)
@given(
    positives=POSITIVES,
    kind=st.sampled_from(["uniform", "popularity", "same_category"]),
    per_positive=st.integers(1, 3),
)
def test_drawn_negatives_keep_their_promises(positives, kind, per_positive, make_tables) -> None:
    impressions = [(user, item, time, 1) for user, item, time in positives]
    tables = make_tables(impressions, positives, num_items=12)
    category = "colour" if kind == "same_category" else None
    negatives = NegativesConfig(kind=kind, per_positive=per_positive, category=category)
    config = CONFIG.model_copy(update={"negatives": negatives, "trigger": "none"})
    try:
        store = build(tables, config, seed=5)
    except SplitError:
        return
    owned, group = defaultdict(set), 1 + per_positive
    for user, item, _ in positives:
        owned[user].add(item)
    assert store.num_examples == len(positives) * group
    users, items = ids(store.user_ids, store.user), ids(store.item_ids, store.target_item)
    for first in range(0, store.num_examples, group):
        rows = slice(first, first + group)
        assert store.label[rows].tolist() == [1] + [0] * per_positive
        for name in ("user", "time", "request", "split", "history_start", "impression"):
            assert len(set(getattr(store, name)[rows].tolist())) == 1
        for item in items[rows][1:]:
            assert item not in owned[users[first]]
            if kind == "same_category":
                alike = {i for i in range(100, 112) if i % 2 == items[first] % 2}
                assert item in alike or alike <= owned[users[first]]
    again = build(tables, config, seed=5)
    assert again.target_item.tolist() == store.target_item.tolist()


def test_negatives_for_a_log_that_has_its_own_are_refused(make_tables) -> None:
    config = CONFIG.model_copy(update={"negatives": NegativesConfig()})
    with pytest.raises(ConfigError, match="has 120 negatives of its own"):
        build(busy_log(make_tables), config)
