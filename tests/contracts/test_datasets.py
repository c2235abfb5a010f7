"""Every data set, from its raw files to batches: what holds for all of them."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.data.datasets.registry import DATASETS, DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage
from models.data.schema import KEYS, TABLES
from models.data.store import SPLITS
from models.data.tables import Tables, read_tables, write_tables
from models.errors import DataError, MissingDataError
from models.settings import load_settings
from tests.models.data.datasets.raw_sets import RAW

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {path.stem: path for path in sorted((ROOT / "configs/datasets").glob("*.yaml"))}
# simulator_tiny's, and take seconds or minutes
SAME_ADAPTER_AND_FILES = {"simulator", "simulator_drifting", "simulator_homes", "simulator_million"}
MADE_UP = {"simulator_tiny"}


def config_of(name: str) -> DatasetConfig:
    return load_settings(DatasetConfig, CONFIGS[name])


def loaded(name: str, root: Path) -> Tables:
    tables = load_dataset(config_of(name), root)
    return tables if isinstance(tables, Tables) else tables.collect()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory):
    """A project root for each data set, its raw files written once."""
    roots: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in roots:
            roots[name] = tmp_path_factory.mktemp(name)
            RAW[name](roots[name])
        return roots[name]

    return of


def test_every_configuration_has_a_raw_data_set_and_every_adapter_a_configuration() -> None:
    assert set(RAW) == set(CONFIGS) - SAME_ADAPTER_AND_FILES
    assert {config_of(name).adapter for name in RAW} == set(DATASETS)


@pytest.mark.parametrize("name", RAW)
def test_raw_files_become_tables_that_read_back_the_same(name: str, root, tmp_path: Path) -> None:
    tables = loaded(name, root(name))
    write_tables(load_dataset(config_of(name), root(name)), tmp_path / "tables")
    again = read_tables(tmp_path / "tables")
    assert again.spec == tables.spec
    for table in TABLES:
        assert_frame_equal(again.table(table), tables.table(table))
        assert set(KEYS[table]) <= set(tables.table(table).columns)


@pytest.mark.parametrize("name", RAW)
def test_keys_are_whole_and_behaviours_are_the_positives(name: str, root) -> None:
    tables = loaded(name, root(name))
    assert tables.items["item_id"].is_unique().all()
    assert tables.users["user_id"].is_unique().all()
    assert tables.impressions["impression_id"].is_unique().all()
    for events in (tables.impressions, tables.behaviours):
        assert set(events["item_id"]) <= set(tables.items["item_id"])
        assert set(events["user_id"]) <= set(tables.users["user_id"])
        assert events["timestamp"].min() > 0
    assert set(tables.impressions["label"].unique()) <= {0, 1}
    assert all((tables.items[column] != "").any() for column in tables.spec.item_text)
    positives = tables.impressions.filter(pl.col("label") == 1)
    assert tables.spec.facts["positives"] == positives.height


@pytest.mark.parametrize("name", RAW)
def test_its_store_is_sound_and_its_batches_are_typed(name: str, root, tmp_path: Path) -> None:
    config = config_of(name)
    tables = load_dataset(config, root(name))
    summary = build_example_store(tables, config.examples, tmp_path / "store", seed=1)
    store = ExampleStore.open(tmp_path / "store")
    check_leakage(store)
    for split in SPLITS:
        labels = store.label[store.rows(split)]
        assert 0 < labels.sum() < len(labels), split
    batch = store.gather(store.rows("train")[:64])
    assert batch.history.shape == batch.history_mask.shape
    assert not batch.history[~batch.history_mask].any()
    assert int(batch.target_item.max()) < store.spec.num_items
    if config.examples.negatives is not None:
        per_positive = config.examples.negatives.per_positive
        assert summary["negatives_per_positive"] == per_positive
        assert summary["train_examples"] == summary["train_clicks"] * (1 + per_positive)
        owned = set(
            zip(store.user[store.label == 1], store.target_item[store.label == 1], strict=True)
        )
        drawn = set(
            zip(store.user[store.label == 0], store.target_item[store.label == 0], strict=True)
        )
        assert not owned & drawn


@pytest.mark.parametrize("name", RAW)
def test_the_same_files_and_seed_give_the_same_store(name: str, root, tmp_path: Path) -> None:
    config = config_of(name)
    for folder in ("one", "two"):
        tables = load_dataset(config, root(name))
        build_example_store(tables, config.examples, tmp_path / folder, seed=1)
    for path in sorted((tmp_path / "one").glob("*.npy")):
        np.testing.assert_array_equal(
            np.load(path, allow_pickle=False), np.load(tmp_path / "two" / path.name)
        )


@pytest.mark.parametrize("name", sorted(set(RAW) - MADE_UP))
def test_a_wrong_path_an_empty_folder_and_each_missing_file_are_told_apart(
    name: str, root, tmp_path: Path
) -> None:
    config = config_of(name)
    with pytest.raises(MissingDataError) as nowhere:
        load_dataset(config, tmp_path)
    told = {nowhere.value.what}
    (tmp_path / config.settings["path"]).mkdir(parents=True)
    with pytest.raises(MissingDataError) as empty:
        load_dataset(config, tmp_path)
    told.add(empty.value.what)
    assert len(told) == 2
    whole = root(name) / config.settings["path"]
    for gone in files_of(name, whole):
        shutil.rmtree(tmp_path / config.settings["path"])
        shutil.copytree(whole, tmp_path / config.settings["path"])
        (tmp_path / config.settings["path"] / gone).unlink()
        with pytest.raises(MissingDataError) as half:
            load_dataset(config, tmp_path)
        assert gone.removesuffix(".gz") in str(half.value), gone
        assert half.value.what not in told
        assert half.value.do


@pytest.mark.parametrize("name", sorted(set(RAW) - MADE_UP))
def test_a_saved_web_page_and_a_cut_off_file_are_data_errors(
    name: str, root, tmp_path: Path
) -> None:
    config = config_of(name)
    whole = root(name) / config.settings["path"]
    for file in files_of(name, whole):
        for spoilt in (b"<!DOCTYPE html><html><body>Log in</body></html>\n", b""):
            shutil.copytree(whole, tmp_path / config.settings["path"], dirs_exist_ok=True)
            (tmp_path / config.settings["path"] / file).write_bytes(spoilt)
            with pytest.raises(DataError) as error:
                loaded_from(config, tmp_path)
            assert file.split("/")[-1].removesuffix(".gz") in str(error.value)


def loaded_from(config: DatasetConfig, root: Path) -> None:
    tables = load_dataset(config, root)
    if not isinstance(tables, Tables):
        tables.collect()


def files_of(name: str, folder: Path) -> list[str]:
    """Return the files that the configuration reads, one of those that a pattern names."""
    found = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    unread = {"articles_embeddings.pickle"}
    some = [file for file in found if "clicks_hour_" not in file and "clicks-" not in file]
    return [file for file in some if file not in unread]
