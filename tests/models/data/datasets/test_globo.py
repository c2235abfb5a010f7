from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.globo import Globo, GloboSettings
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage
from models.data.tables import Tables
from models.settings import load_settings
from tests.models.data.datasets.raw_sets import ITEMS, globo


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("globo")
    globo(folder)
    return folder


def load(root: Path, **settings) -> Tables:
    return Globo.load(GloboSettings(path=".", **settings), root)


def test_clicks_of_all_hours_become_impressions_in_order_of_time(root: Path) -> None:
    tables = load(root)
    assert tables.spec.facts["files"] == 24
    assert tables.impressions["timestamp"].is_sorted()
    assert tables.impressions["label"].unique().to_list() == [1]
    assert tables.behaviours.height == tables.impressions.height


def test_the_place_in_a_session_is_what_was_known_at_the_click(root: Path) -> None:
    shown = load(root).impressions
    assert "earlier_in_session" in load(root).spec.context_fields
    assert shown["earlier_in_session"].value_counts(sort=True)["earlier_in_session"].to_list() == [
        0,
        1,
    ]
    assert not {"session_size", "session_start"} & set(shown.columns)


def test_articles_have_what_is_known_of_them_and_unclicked_ones_are_there(root: Path) -> None:
    items = load(root).items
    assert items.height == 2 * ITEMS
    assert items.row(5, named=True) == {
        "item_id": 5,
        "category": 1,
        "publisher": 0,
        "words": 105.0,
        "title": "article 5, category 1, publisher 0",
    }


def test_a_clicked_article_without_metadata_is_an_item(root: Path, tmp_path: Path) -> None:
    globo(tmp_path)
    path = tmp_path / "articles_metadata.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")  # articles 0 and 1
    items = load(tmp_path).items
    assert items.filter(pl.col("item_id") == 3).row(0) == (3, None, None, None, "article 3")


def test_clicks_can_be_one_parquet_file_without_articles(root: Path, tmp_path: Path) -> None:
    files = sorted(root.glob("clicks/*.csv"))
    clicks = pl.concat([pl.read_csv(path) for path in files])
    clicks.drop("session_start", "session_size").write_parquet(tmp_path / "clicks.parquet")
    tables = load(tmp_path, clicks="*.parquet", articles=None)
    assert tables.impressions.equals(load(root).impressions)
    assert tables.spec.item_fields == ()


@pytest.mark.slow
def test_the_real_clicks_build_a_sound_store(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "globo-clicks"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    config = load_settings(DatasetConfig, Path("configs/datasets/globo.yaml"))
    settings = {"path": str(folder), "clicks": "*.parquet", "articles": None}
    tables = load_dataset(config.model_copy(update={"settings": settings}), Path())
    assert tables.spec.facts["positives"] == 1_518_889
    summary = build_example_store(tables, config.examples, tmp_path, seed=0)
    check_leakage(ExampleStore.open(tmp_path))
    assert summary["examples"] == 5 * 1_518_889
    assert 0.66 < summary["trigger_share"] < 0.68
