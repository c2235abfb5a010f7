"""A champion reads today's examples in its own codes; what it never saw is unknown to it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.assessment.recoding import RecodedStore, store_for
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from models.data.schema import DatasetSpec
from models.data.splits import SplitConfig
from models.data.tables import Tables
from models.data.vocabulary import FIRST, UNKNOWN

DAY_S = 86_400


def shop(items: list[int], users: list[int]) -> Tables:
    """A shop in which every user is shown every item once a day, and clicks every second one."""
    rows = [
        (user, item, 1_600_000_000 + day * DAY_S + user * 100 + item, (user + item + day) % 2)
        for day in range(10)
        for user in users
        for item in items
    ]
    impressions = pl.DataFrame(
        rows, schema=["user_id", "item_id", "timestamp", "label"], orient="row"
    ).with_columns(
        pl.col("label").cast(pl.Int8),
        pl.int_range(pl.len()).alias("impression_id"),
        pl.lit(None, pl.Int64).alias("request_id"),
        pl.lit(None, pl.Int64).alias("trigger_item_id"),
        pl.when(pl.col("timestamp") % 2 == 0)
        .then(pl.lit("app"))
        .otherwise(pl.lit("web"))
        .alias("device"),
    )
    positives = impressions.filter(pl.col("label") == 1)
    return Tables(
        spec=DatasetSpec(
            name="shop",
            item_text=("title",),
            item_fields=("brand",),
            user_fields=("city",),
            context_fields=("device",),
        ),
        items=pl.DataFrame(
            {
                "item_id": items,
                "title": [f"item {i}" for i in items],
                "brand": [f"brand {i % 3}" for i in items],
            }
        ),
        users=pl.DataFrame({"user_id": users, "city": [f"city {u % 2}" for u in users]}),
        impressions=impressions,
        behaviours=positives.select("user_id", "item_id", "timestamp").with_columns(
            pl.lit("click").alias("kind")
        ),
    )


def open_store(tables: Tables, folder: Path) -> ExampleStore:
    config = ExamplesConfig(
        history_days=None, trigger="derived", split=SplitConfig(kind="ratio", scope="user")
    )
    build_example_store(tables, config, folder, seed=1)
    return ExampleStore.open(folder)


@pytest.fixture(name="stores")
def _stores(tmp_path: Path) -> tuple[ExampleStore, ExampleStore]:
    before = open_store(shop(items=[30, 20, 10], users=[1, 2, 3]), tmp_path / "before")
    today = open_store(shop(items=[5, 10, 20, 30], users=[3, 4, 1, 2]), tmp_path / "today")
    return before, today


def test_the_same_vocabulary_needs_no_recoding(stores: tuple[ExampleStore, ExampleStore]) -> None:
    before, today = stores
    assert store_for(today, today.vocabularies()) is today
    assert isinstance(store_for(today, before.vocabularies()), RecodedStore)


def test_every_id_keeps_its_meaning(stores: tuple[ExampleStore, ExampleStore]) -> None:
    before, today = stores
    rows = np.arange(today.num_examples)
    theirs, ours = RecodedStore(today, before.vocabularies()).gather(rows), today.gather(rows)
    for name in ("target_item", "trigger_item", "history"):
        meaning = today.item_ids.gather(getattr(ours, name).flatten().long().numpy()).to_list()
        codes = getattr(theirs, name).flatten().tolist()
        empty = (getattr(ours, name).flatten() == 0).tolist()
        for item, code, none in zip(meaning, codes, empty, strict=True):
            expected = 0 if none else before.vocabularies().item_code(item)
            assert code == expected
    users = today.user_ids.gather(ours.user.long().numpy()).to_list()
    assert theirs.user.tolist() == [
        UNKNOWN if user is None else before.vocabularies().user_code(user) for user in users
    ]


def test_what_the_champion_never_saw_is_unknown(
    stores: tuple[ExampleStore, ExampleStore],
) -> None:
    before, today = stores
    rows = np.flatnonzero(today.target_item == today.vocabularies().item_code(5))
    assert len(rows)
    theirs = RecodedStore(today, before.vocabularies()).gather(rows)
    assert theirs.target_item.unique().tolist() == [UNKNOWN]
    new_user = np.flatnonzero(today.user == today.vocabularies().user_code(4))
    assert RecodedStore(today, before.vocabularies()).gather(new_user).user.unique().tolist() == [
        UNKNOWN
    ]


def test_fields_keep_their_values(stores: tuple[ExampleStore, ExampleStore]) -> None:
    before, today = stores
    rows = np.arange(today.num_examples)
    theirs, ours = RecodedStore(today, before.vocabularies()).gather(rows), today.gather(rows)
    for side in ("user", "context"):
        own = getattr(today.vocabularies(), side)[0].values
        other = getattr(before.vocabularies(), side)[0].values
        values = [own[code - FIRST] for code in getattr(ours, f"{side}_fields")[:, 0].tolist()]
        expected = [other.index(v) + FIRST if v in other else UNKNOWN for v in values]
        assert getattr(theirs, f"{side}_fields")[:, 0].tolist() == expected


def test_masks_labels_and_times_stay(stores: tuple[ExampleStore, ExampleStore]) -> None:
    before, today = stores
    rows = np.arange(today.num_examples)
    theirs, ours = RecodedStore(today, before.vocabularies()).gather(rows), today.gather(rows)
    for name in ("history_mask", "history_age_s", "label"):
        assert torch.equal(getattr(theirs, name), getattr(ours, name))
