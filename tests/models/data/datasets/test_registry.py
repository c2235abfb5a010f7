from pathlib import Path

import pytest

from models.data.datasets.registry import DATASETS, DatasetConfig, load_dataset
from models.errors import ConfigError, UnknownNameError
from models.settings import Settings, load_settings, parse_settings

CONFIGS = sorted(Path(__file__).parents[4].glob("configs/datasets/*.yaml"))


@pytest.mark.parametrize("name", DATASETS)
def test_every_adapter_says_what_its_settings_are(name: str) -> None:
    adapter = DATASETS[name]
    assert issubclass(adapter.settings_type, Settings)
    assert callable(adapter.load)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_fits_its_adapter(path: Path) -> None:
    config = load_settings(DatasetConfig, path)
    parse_settings(DATASETS[config.adapter].settings_type, config.settings, str(path))


def test_an_unknown_adapter_is_named() -> None:
    with pytest.raises(UnknownNameError, match="No data set is named 'movielense'"):
        load_dataset(DatasetConfig(adapter="movielense"), Path())


def test_a_wrong_setting_of_an_adapter_is_named() -> None:
    config = DatasetConfig(adapter="movielens", settings={"pth": "data"})
    with pytest.raises(ConfigError, match="'pth' is no setting \\(did you mean 'path'\\?\\)"):
        load_dataset(config, Path())
