import pytest
import torch

from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.errors import ConfigError, UnknownNameError
from tests.models.training.synthetic import Dataset


def test_an_unknown_model_is_refused_with_the_known_ones(dataset: Dataset) -> None:
    with pytest.raises(UnknownNameError, match=r"No CTR model is named 'dinn'(.|\n)*din, .*daian"):
        build_model(CTRConfig(model="dinn"), dataset.catalogue, 0)


def test_a_wrong_setting_is_refused_by_name(dataset: Dataset) -> None:
    config = CTRConfig(model="din", settings={"embeding_dim": 8})
    with pytest.raises(ConfigError, match="did you mean 'embedding_dim'"):
        build_model(config, dataset.catalogue, 0)


def test_building_a_model_leaves_the_callers_random_numbers_alone(dataset: Dataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(CTRConfig(model="din"), dataset.catalogue, 0)
    assert torch.equal(torch.rand(3), expected)
