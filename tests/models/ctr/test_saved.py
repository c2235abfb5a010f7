import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.ctr.build import build_model
from models.ctr.saved import (
    CATALOGUE,
    DESCRIPTION,
    WEIGHTS,
    ModelDescription,
    load_model,
    save_model,
)
from models.errors import CorruptArtifactError, IncompatibleArtifactError
from tests.models.training.synthetic import Dataset, small_config


@pytest.fixture
def saved(dataset: Dataset, tmp_path: Path) -> Path:
    config = small_config("daian")
    model = build_model(config, dataset.catalogue, 7)
    description = ModelDescription(
        config=config, spec=dataset.store.spec, seed=7, summary={"best_valid_auc": 0.5}
    )
    save_model(model, description, dataset.catalogue, tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_is_the_one_that_was_saved(dataset: Dataset, saved: Path) -> None:
    loaded = load_model(saved)
    model = build_model(loaded.config, dataset.catalogue, 7).eval()
    batch = dataset.store.gather(dataset.store.rows("test"))
    assert torch.equal(loaded.model(batch), model(batch))
    assert not loaded.model.training
    assert loaded.metadata == {"seed": 7, "summary": {"best_valid_auc": 0.5}}


def test_the_weights_are_restored_and_not_drawn_again(dataset: Dataset, saved: Path) -> None:
    weights = load_file(saved / WEIGHTS)
    weights["head.0.bias"] += 1.0
    save_file(weights, saved / WEIGHTS)
    assert torch.equal(load_model(saved).model.state_dict()["head.0.bias"], weights["head.0.bias"])


@pytest.mark.parametrize("name", [WEIGHTS, CATALOGUE, DESCRIPTION])
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_damaged_folder_is_a_named_error(name: str, damage: str, saved: Path) -> None:
    content = (saved / name).read_bytes()
    (saved / name).unlink()
    if damage == "cut short":
        (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptArtifactError, match="no whole CTR model"):
        load_model(saved)


def test_weights_of_another_model_are_a_named_error(saved: Path) -> None:
    description = json.loads((saved / DESCRIPTION).read_text())
    description["config"]["settings"]["sein"] = False
    (saved / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(IncompatibleArtifactError, match="weights do not fit 'daian'"):
        load_model(saved)
