"""On a shop whose true intents are known, the shipped DAIAN recovers them."""

from pathlib import Path

import pytest

from benchmarks.models import measure, prepare
from models.ctr.config import CTRConfig
from models.settings import load_settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LARGEST_JS = 0.05  # bits


def test_both_populations_intents_are_recovered_better_than_by_their_average(
    tmp_path: Path,
) -> None:
    tables, evidence, content = prepare("simulator", "minilm", tmp_path)
    shipped = load_settings(CTRConfig, ROOT / "configs/models/daian.yaml")
    training = shipped.training.model_copy(update={"max_epochs": 1})  # UIM has its own epochs
    config = shipped.model_copy(update={"training": training})
    figures = measure(config, evidence, content, tables, 1, tmp_path / "daian")
    for population in ("specific", "broad"):
        found, average = figures[f"js {population}"], figures[f"js average {population}"]
        assert found <= LARGEST_JS
        assert found < 0.5 * average
