import json
from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.amazon import Amazon, AmazonSettings
from models.data.datasets.registry import DatasetConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.tables import Tables
from models.errors import ConfigError, DataError, SchemaError
from models.settings import load_settings, parse_settings
from tests.models.data.datasets.raw_sets import (
    EACH,
    amazon_2014,
    amazon_2018,
    amazon_2023,
    amazon_2023_csv,
)

WRITERS = {
    "2014": (amazon_2014, "Electronics"),
    "2018": (amazon_2018, "Video_Games"),
    "2023": (amazon_2023, "Musical_Instruments"),
    "2023-csv": (amazon_2023_csv, "Amazon_Fashion"),
}


def load(root: Path, edition: str, **settings) -> Tables:
    write, category = WRITERS[edition]
    write(root)
    return Amazon.load(AmazonSettings(path=".", category=category, **settings), root)


@pytest.mark.parametrize("edition", WRITERS)
def test_the_edition_is_recognised_and_its_core_taken(edition: str, tmp_path: Path) -> None:
    tables = load(tmp_path, edition)
    facts = tables.spec.facts
    assert facts["edition"] == edition
    assert facts["impressions_read"] == facts["reviews_outside_the_core"] + facts["positives"]
    assert facts["reviews_outside_the_core"] > 0
    counts = tables.impressions.group_by("item_id").len()["len"]
    assert counts.min() >= 5
    assert tables.impressions["label"].min() == 1
    assert set(tables.items["item_id"]) == set(tables.impressions["item_id"])


def test_all_is_kept_where_no_core_is_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path, "2014", core=1).spec.facts["reviews_outside_the_core"] == 0


def test_a_python_literal_of_2014_is_a_product(tmp_path: Path) -> None:
    items = load(tmp_path, "2014", core=1).items
    row = items.filter(pl.col("item_id") == "B0010").row(0, named=True)
    assert row == {
        "item_id": "B0010",
        "title": 'It\'s a "cable" 10',
        "categories": "Electronics > Kind 2",  # the last of two paths, as DIN reads it
        "category": "Kind 2",
        "brand": "Brand1",
        "price": 19.5,
    }
    untitled = items.filter(pl.col("item_id") == "B0040").row(0, named=True)
    assert (untitled["title"], untitled["category"]) == ("B0040", None)


def test_a_line_that_would_run_something_is_read_as_no_product(tmp_path: Path) -> None:
    amazon_2014(tmp_path)
    (tmp_path / "meta_Electronics.json.gz").unlink()
    evil = "{'asin': 'B0010', 'title': __import__('os').system('true')}"
    (tmp_path / "meta_Electronics.json").write_text(evil + "\n")
    with pytest.raises(DataError, match="The line is no product") as error:
        Amazon.load(AmazonSettings(path=".", category="Electronics", core=1), tmp_path)
    assert "meta_Electronics.json, line 1" in error.value.where


def test_prices_and_categories_of_2018_are_cleaned_and_repeated_products_taken_once(
    tmp_path: Path,
) -> None:
    items = load(tmp_path, "2018", core=1).items
    assert items["item_id"].is_unique().all()
    prices = dict(items.select("item_id", "price").rows())
    assert (prices["B0010"], prices["B0013"]) == (None, 1037.98)
    assert set(items["categories"].str.split(" > ").list.len()) == {2}


def test_ratings_can_be_labels_with_or_without_a_gap(tmp_path: Path) -> None:
    two = load(tmp_path, "2023", positive_above=3).spec.facts
    gap = load(tmp_path, "2023", positive_above=3, negative_below=3).spec.facts
    assert two["reviews_dropped_as_neutral"] == 0
    assert gap["reviews_dropped_as_neutral"] > 0
    assert two["positives"] == gap["positives"]
    with pytest.raises(ConfigError, match="negative_below needs positive_above"):
        parse_settings(AmazonSettings, {"category": "X", "negative_below": 3}, "settings")


def test_reviews_of_one_day_follow_one_another_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = [
        {"reviewerID": "A", "asin": asin, "overall": 5.0, "unixReviewTime": 1_400_025_600 + later}
        for asin, later in [("x", 0), ("y", 0), ("z", 1), ("w", 0), ("v", 86_400)]
    ]
    (tmp_path / "Toys_5.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "meta_Toys.json").write_text('{"asin": "x", "title": "Kite"}\n')

    def times(same_time: str) -> list[tuple[str, int]]:
        settings = AmazonSettings(
            path=".", category="Toys", edition="2018", core=1, same_time=same_time
        )
        rows = Amazon.load(settings, tmp_path).impressions.select("item_id", "timestamp").rows()
        return [(item, time - 1_400_025_600) for item, time in rows]

    together = [("x", 0), ("y", 0), ("w", 0), ("z", 1), ("v", 86_400)]
    assert times("together") == together
    assert times("order") == [("x", 0), ("y", 1), ("w", 2), ("z", 3), ("v", 86_400)]


def test_our_leave_one_out_is_that_of_the_ready_files(tmp_path: Path) -> None:
    config = load_settings(DatasetConfig, Path("configs/datasets/amazon_fashion_2023.yaml"))
    tables = load(tmp_path, "2023-csv", core=1, positive_above=3)
    build_example_store(tables, config.examples, tmp_path / "store", seed=0)
    store = ExampleStore.open(tmp_path / "store")
    shown = tables.impressions.sort("impression_id")
    for split in ("valid", "test"):
        published = pl.read_csv(tmp_path / f"Amazon_Fashion.{split}.csv")
        rows = store.impression[store.rows(split)]
        own = shown.filter(pl.col("impression_id").is_in(rows.tolist()))
        assert set(own.select("user_id", "item_id").rows()) == set(
            published.select("user_id", "parent_asin").rows()
        )
    assert len(store.rows("train")) == shown.height - 2 * tables.users.height
    assert shown.height == tables.users.height * EACH


def test_a_review_without_a_rating_is_named_or_dropped(tmp_path: Path) -> None:
    amazon_2018(tmp_path)
    (tmp_path / "Video_Games_5.json.gz").unlink()
    good = {"reviewerID": "A", "asin": "x", "overall": 5.0, "unixReviewTime": 1_400_000_000}
    bad = {key: value for key, value in good.items() if key != "overall"}
    lines = [json.dumps(row) for row in (good, bad, good)]
    (tmp_path / "Video_Games_5.json").write_text("\n".join(lines) + "\n")
    settings = {"path": ".", "category": "Video_Games", "edition": "2018", "core": 1}
    with pytest.raises(SchemaError, match="'overall' is empty") as error:
        Amazon.load(AmazonSettings(**settings), tmp_path)
    assert "row 2" in error.value.where
    dirty = {"policy": "drop", "max_share": 0.5}
    tables = Amazon.load(AmazonSettings(**settings, dirty_rows=dirty), tmp_path)
    assert tables.impressions.height == 2
    assert tables.dirty_rows.height == tables.spec.facts["impressions_dropped_as_dirty"] == 1
