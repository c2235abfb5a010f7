from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.ordered import Ordered, OrderedSettings
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage
from models.data.tables import Tables
from models.errors import SchemaError
from models.settings import load_settings

SETTINGS = {
    "name": "walk",
    "path": ".",
    "interactions": "log.csv",
    "items": "items.csv",
    "user_column": "user",
    "item_column": "item",
    "place_column": "pos",
    "item_text": ("title",),
    "step_s": 60,
}
REAL = {
    "amazon_games_2018_ordered": ("amazon-games-2018", 452_989, 50_546, 16_859),
    "movielens_1m_ordered": ("movielens-1m-ordered", 1_000_209, 6_040, 3_881),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text("user,pos,item\n1,1,20\n2,0,10\n1,0,10\n1,2,10\n")
    (tmp_path / "items.csv").write_text("item,title\n10,cup\n20,\n")
    return tmp_path


def load(root: Path, **changes) -> Tables:
    return Ordered.load(OrderedSettings(**{**SETTINGS, **changes}), root)


def test_places_become_times_a_step_apart(root: Path) -> None:
    shown = load(root).impressions.select("user_id", "item_id", "timestamp")
    first = shown["timestamp"].min()
    times = shown.with_columns(pl.col("timestamp") - first)
    assert times.rows() == [(2, 10, 0), (1, 10, 0), (1, 20, 60), (1, 10, 120)]


def test_without_a_column_of_places_the_order_of_the_file_counts(root: Path) -> None:
    shown = load(root, place_column=None).impressions.filter(pl.col("user_id") == 1)
    assert shown["item_id"].to_list() == [20, 10, 10]


def test_an_item_without_a_row_or_with_two_is_named(root: Path) -> None:
    (root / "items.csv").write_text("item,title\n10,cup\n10,pot\n20,\n")
    with pytest.raises(SchemaError, match="Item 10 has more than one row"):
        load(root)
    (root / "items.csv").write_text("item,title\n10,cup\n")
    with pytest.raises(SchemaError, match=r"Item 20 has no row among the items \(1") as error:
        load(root)
    assert "log.csv, column item, row 1" in error.value.where
    kept = load(root, unknown_items="drop")
    assert kept.spec.facts["interactions_of_unknown_items"] == 1
    assert kept.impressions.height == 3


def test_a_column_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(SchemaError, match=r"no column 'titel'\. Did you mean 'title'"):
        load(root, item_text=("titel",))
    with pytest.raises(SchemaError, match="no column 'place'"):
        load(root, place_column="place")


@pytest.mark.parametrize("name", REAL)
def test_the_real_benchmarks_build_sound_stores(name: str, real_data: Path, tmp_path: Path) -> None:
    folder, rows, users, items = REAL[name]
    if not (real_data / folder).is_dir():
        pytest.skip(f"no {real_data / folder}")
    config = load_settings(DatasetConfig, Path(f"configs/datasets/{name}.yaml"))
    settings = {**config.settings, "path": str(real_data / folder)}
    tables = load_dataset(config.model_copy(update={"settings": settings}), Path())
    assert tables.spec.facts["impressions_read"] == rows
    assert tables.spec.facts["interactions_of_unknown_items"] == (12 if users == 6_040 else 0)
    assert (tables.users.height, tables.items.height) == (users, items)
    summary = build_example_store(tables, config.examples, tmp_path, seed=0)
    store = ExampleStore.open(tmp_path)
    check_leakage(store)
    assert summary["test_clicks"] == summary["valid_clicks"] == users
