from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.alimama import Alimama, AlimamaSettings
from models.data.datasets.alimama_items import PAIRS
from models.data.datasets.registry import DatasetConfig
from models.data.examples import ExampleStore, build_example_store
from models.data.tables import TableScan
from models.errors import SchemaError
from models.settings import load_settings
from tests.models.data.datasets.raw_sets import MAY_6_BEIJING, alimama, put

DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    alimama(tmp_path / "ads")
    return tmp_path


def load(root: Path, **settings) -> TableScan:
    return Alimama.load(AlimamaSettings(path="ads", **settings), root)


def test_clicks_are_the_histories_unless_behaviours_are_asked_for(root: Path) -> None:
    tables = load(root).collect()
    clicked = tables.impressions.filter(pl.col("label") == 1)
    assert tables.behaviours.select("user_id", "item_id").equals(
        clicked.select("user_id", "item_id")
    )
    assert tables.spec.facts["positives"] == clicked.height
    assert tables.items.height == 9


def test_a_header_with_a_blank_missing_brands_and_missing_profiles_are_read(root: Path) -> None:
    tables = load(root).collect()
    assert tables.users["city"].to_list() == [3] * 5 + [None]  # the sixth user has no profile
    assert tables.users["spending"].to_list() == [None, 2, None, 2, None, None]
    brands = dict(tables.items.select("item_id", "brand").rows())
    assert (brands[9], brands[1]) == (None, 9001)


def test_a_behaviour_is_of_the_item_of_its_category_and_brand(root: Path) -> None:
    tables = load(root, history="behaviours").collect()
    fields = tables.items.select("item_id", "category", "brand").rows_by_key("item_id", unique=True)
    assert tables.behaviours["item_id"].min() >= PAIRS.start
    found = {fields[item] for item in tables.behaviours["item_id"].unique()}
    ads = set(
        tables.items.filter(pl.col("item_id") < PAIRS.start).select("category", "brand").rows()
    )
    assert {pair for pair in found if pair[1] is not None} <= ads
    assert (7777, None) in found  # a pair of no ad: the brand is left out, the category stays
    assert tables.items["item_id"].is_unique().all()


@pytest.mark.parametrize(("kinds", "share"), [(("pv",), 1 / 4), (("cart", "buy"), 2 / 4)])
def test_only_the_kinds_asked_for_are_behaviours(root: Path, kinds, share: float) -> None:
    every = load(root, history="behaviours").collect().behaviours
    some = load(root, history="behaviours", behaviour_kinds=kinds).collect().behaviours
    assert set(some["kind"]) == set(kinds)
    assert some.height == share * every.height


def test_both_gives_clicks_and_behaviours(root: Path) -> None:
    both = load(root, history="both").collect().behaviours
    clicks, log = (load(root, history=h).collect().behaviours for h in ("clicks", "behaviours"))
    assert both.sort(pl.all()).equals(pl.concat([clicks, log]).sort(pl.all()))


def test_a_share_of_the_users_is_whole_users_and_depends_on_the_seed(root: Path) -> None:
    chosen = [
        set(load(root, user_share=0.5, user_seed=seed, history="both").collect().users["user_id"])
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    tables = load(root, user_share=0.5, history="both").collect()
    for events in (tables.impressions, tables.behaviours):
        assert set(events["user_id"]) == chosen[0]
    assert tables.spec.facts["impressions_of_other_users"] == 576 - tables.impressions.height


@pytest.mark.parametrize(
    ("name", "days"), [("alimama_daian", (7 - 0.25, 0.25, 1)), ("alimama_tin", (6, 1, 1))]
)
def test_the_papers_split_is_by_days_of_beijing(root: Path, name: str, days, tmp_path) -> None:
    config = load_settings(DatasetConfig, Path(f"configs/datasets/{name}.yaml"))
    settings = AlimamaSettings.model_validate({**config.settings, "path": "ads"})
    tables = Alimama.load(settings, root)
    build_example_store(tables, config.examples, tmp_path / "store", seed=0)
    store = ExampleStore.open(tmp_path / "store")
    begin = MAY_6_BEIJING
    for split, length in zip(("train", "valid", "test"), days, strict=True):
        times = store.time[store.rows(split)]
        end = begin + length * DAY
        assert begin <= times.min() <= begin + 7_500
        assert end - 7_500 <= times.max() < end + 4 * 3600  # a request is never divided
        begin = end


def test_triggers_are_the_newest_click_within_four_hours(root: Path, tmp_path: Path) -> None:
    config = load_settings(DatasetConfig, Path("configs/datasets/alimama_daian.yaml"))
    tables = load(root, history="clicks")
    summary = build_example_store(tables, config.examples, tmp_path / "store", seed=0)
    assert summary["trigger_share"] == pytest.approx(2 / 3, abs=0.02)  # a click every six hours


def test_an_id_that_no_file_of_alimama_has_is_named(root: Path) -> None:
    put(
        root / "ads",
        "ad_feature.csv",
        ["adgroup_id,cate_id,campaign_id,customer,brand,price", f"{PAIRS.start},1,1,1,1,1.0"],
    )
    with pytest.raises(SchemaError, match=f"A adgroup_id is {PAIRS.start}"):
        load(root)


def test_a_label_of_another_kind_is_named(root: Path) -> None:
    path = root / "ads/raw_sample.csv"
    path.write_text(path.read_text().replace("1007,0,1", "1007,0,7", 1))
    with pytest.raises(SchemaError, match="'7' of column 'clk' is no 0 or 1"):
        load(root)
