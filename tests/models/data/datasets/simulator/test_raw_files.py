"""The raw files of the simulated shop: bytes by seed, and read like anyone's own files."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from models.artifacts import file_hash
from models.data.datasets.generic import Generic, GenericSettings
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.datasets.simulator import (
    Simulator,
    SimulatorSettings,
    raw,
    traffic,
    true_intent,
    write_raw,
)
from models.data.datasets.simulator.adapter import raw_folder
from models.data.datasets.simulator.settings import DriftSettings
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage, single_feature_aucs
from models.data.tables import Tables, TableScan
from models.errors import ConfigError
from models.settings import load_settings

ROOT = Path(__file__).parents[5]
TINY = SimulatorSettings(users=150, items=120, requests=400, departments=4, categories=3, brands=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def tables(root: Path) -> Tables:
    return Simulator.load(TINY, root)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def test_same_settings_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_raw(TINY.model_copy(update={"seed": seed}), tmp_path / name)
    first, again, other = (hashes(tmp_path / name) for name in "abc")
    assert first == again
    assert len(first) == 6 + TINY.items
    assert first["impressions.parquet"] != other["impressions.parquet"]
    assert first["items.csv"] != other["items.csv"]


def test_a_catalogue_lists_the_fields_it_is_told_to_and_words_tell_the_others(
    tmp_path: Path,
) -> None:
    settings = TINY.model_copy(update={"listed": ("brand",), "images": False})
    tables = Simulator.load(settings, tmp_path)
    assert tables.spec.item_fields == ("brand",)
    assert {"department", "category"}.isdisjoint(tables.items.columns)
    every = Simulator.load(
        settings.model_copy(update={"listed": ("category", "quality")}), tmp_path
    )
    told = tables.items.join(every.items.select("item_id", *every.spec.item_fields), on="item_id")
    assert all(row["category"] in row["description"] for row in told.iter_rows(named=True))
    assert all(row["quality"] in row["title"] for row in told.iter_rows(named=True))
    nothing = Simulator.load(settings.model_copy(update={"listed": ()}), tmp_path)
    assert nothing.spec.item_fields == ()


def test_a_user_reads_the_raw_files_with_the_mapping_beside_them(
    root: Path, tables: Tables
) -> None:
    folder = root / raw_folder(TINY)
    own = Generic.load(load_settings(GenericSettings, folder / "mapping.yaml"), folder)
    assert own.impressions.equals(tables.impressions)
    assert own.behaviours.equals(tables.behaviours)
    assert own.items.equals(tables.items)
    assert own.users.equals(tables.users.select(own.users.columns))


def test_raw_files_say_nothing_of_populations_and_intents(root: Path, tables: Tables) -> None:
    folder = root / raw_folder(TINY)
    said = (folder / "users.csv").read_text(encoding="utf-8") + "".join(tables.impressions.columns)
    assert "broad" not in said
    assert "intent" not in said
    assert not {"population", "intent_0"} & set(tables.spec.user_fields)


def test_users_carry_the_truth_and_the_intents_are_distributions(tables: Tables) -> None:
    assert tables.spec.known_intent
    assert set(tables.users["population"].unique()) == {"specific", "broad"}
    intents = tables.users.select(pl.col("^intent_.*$")).to_numpy()
    assert intents.shape == (TINY.users, 5)
    np.testing.assert_allclose(intents.sum(axis=1), 1)
    assert true_intent(TINY)["population"].equals(tables.users["population"])


def test_true_intent_has_a_second_row_from_the_day_a_user_turns_broad() -> None:
    settings = TINY.model_copy(update={"drift": DriftSettings(intent_day=5, intent_share=1.0)})
    truth = true_intent(settings)
    turned = truth.filter(pl.col("from_day") == 5)
    assert turned["population"].unique().to_list() == ["broad"]
    before = truth.filter(
        pl.col("user_id").is_in(turned["user_id"].implode()), pl.col("from_day") == 0
    )
    assert before["population"].unique().to_list() == ["specific"]


def test_second_load_reads_what_the_first_one_wrote(root: Path, tables: Tables) -> None:
    folder = root / raw_folder(TINY)
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert Simulator.load(TINY, root).impressions.equals(tables.impressions)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_images_tell_department_category_and_brand_apart(root: Path, tables: Tables) -> None:
    assert tables.spec.images_root is not None
    folder = root / tables.spec.images_root
    pixels = [
        np.asarray(Image.open(folder / name), np.float32)[::4, ::4]
        for name in tables.items["image_path"]
    ]
    assert {image.shape for image in pixels} == {(16, 16, 3)}
    flat = np.stack([image.ravel() for image in pixels])
    distance = np.abs(flat[:, None] - flat[None]).mean(axis=2)
    cell = tables.items.select(pl.struct("category", "brand").rank("dense")).to_series().to_numpy()
    department = tables.items["department"].rank("dense").to_numpy()
    same_cell = cell[:, None] == cell[None]
    other_department = department[:, None] != department[None]
    np.fill_diagonal(same_cell, val=False)
    assert distance[same_cell].mean() < 0.5 * distance[other_department].mean()


def test_without_images_there_is_neither_column_nor_folder(root: Path) -> None:
    settings = TINY.model_copy(update={"images": False})
    tables = Simulator.load(settings, root)
    assert not tables.spec.has_images
    assert "image_path" not in tables.items.columns
    assert not (root / raw_folder(settings) / "images").exists()


def test_derived_triggers_are_the_logged_ones(tables: Tables, tmp_path: Path) -> None:
    stores = []
    for trigger in ("log", "derived"):
        config = load_settings(DatasetConfig, ROOT / "configs/datasets/simulator_tiny.yaml")
        examples = config.examples.model_copy(update={"trigger": trigger})
        (tmp_path / trigger).mkdir()
        build_example_store(tables, examples, tmp_path / trigger, seed=0)
        stores.append(ExampleStore.open(tmp_path / trigger))
        check_leakage(stores[-1])
    assert (stores[0].trigger_item == stores[1].trigger_item).mean() > 0.99


def test_no_single_feature_tells_the_clicks(tables: Tables) -> None:
    assert max(single_feature_aucs(tables).values()) < 0.7


@pytest.mark.parametrize(("name", "fewest"), [("simulator", 60_000), ("simulator_tiny", 3_500)])
def test_shipped_configurations_load(name: str, fewest: int, root: Path) -> None:
    config = load_settings(DatasetConfig, ROOT / f"configs/datasets/{name}.yaml")
    tables = load_dataset(config, root)
    assert tables.impressions.height > fewest
    assert 0.1 < float(tables.impressions["label"].mean()) < 0.3  # type: ignore[arg-type]


def test_too_few_items_are_a_named_error_of_the_configuration(tmp_path: Path) -> None:
    config = DatasetConfig(adapter="simulator", settings={"items": 100})
    with pytest.raises(ConfigError, match="100 items are too few"):
        load_dataset(config, tmp_path)


def test_a_log_of_many_blocks_is_a_scan_of_the_same_shop(
    root: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "BLOCK", 150)
    monkeypatch.setattr(raw, "BLOCK", 150)
    settings = TINY.model_copy(update={"folder": "blocks"})
    scan = Simulator.load(settings, root)
    assert isinstance(scan, TableScan)
    assert len(list((root / raw_folder(settings) / "impressions").iterdir())) == 3
    own = Generic.load(
        load_settings(GenericSettings, root / raw_folder(settings) / "mapping.yaml"),
        root / raw_folder(settings),
    )
    collected = scan.collect()
    for name in ("items", "impressions", "behaviours"):
        columns = tables.table(name).columns
        assert dict(collected.table(name).schema) == dict(tables.table(name).schema)
        read = own.collect() if isinstance(own, TableScan) else own
        if name != "items":
            assert read.table(name).select(columns).equals(collected.table(name).select(columns))
    assert collected.items.drop("image_path").equals(tables.items.drop("image_path"))
    assert collected.users.equals(tables.users)
    assert scan.spec.model_copy(update={"facts": {}, "images_root": None}) == (
        tables.spec.model_copy(update={"facts": {}, "images_root": None})
    )
    shown = collected.impressions
    assert shown["impression_id"].to_list() == list(range(1, shown.height + 1))
    assert shown["timestamp"].is_sorted()
    assert shown.select("request_id", "timestamp").unique().height == settings.requests
    assert 0.5 < shown.height / tables.impressions.height < 2
    assert abs(float(shown["label"].mean()) - float(tables.impressions["label"].mean())) < 0.05  # type: ignore[arg-type]
