"""On a shop whose true intents are known, the shipped DAIAN recovers them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from models.assessment.benchmark_cell import measure
from models.assessment.benchmark_jobs import CellJob
from models.assessment.benchmark_meter import Meter
from models.ctr.config import CTRConfig
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.tables import write_tables
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.intents.config import IntentConfig
from models.intents.labels import bin_intents
from models.settings import load_settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
LARGEST_JS = 0.05  # bits


def prepare(folder: Path) -> Mapping[str, Path]:
    """Return the folders that a cell of a benchmark reads, of the simulated shop."""
    folders = {role: folder / role for role in ("tables", "examples", "content", "intents")}
    config = load_settings(DatasetConfig, CONFIGS / "datasets/simulator.yaml")
    tables = load_dataset(config, ROOT).collect()
    write_tables(tables, folders["tables"])
    build_example_store(tables, config.examples, folders["examples"], seed=1)
    encoder = load_settings(EncoderConfig, CONFIGS / "encoders/minilm.yaml")
    for role in ("content", "intents"):
        folders[role].mkdir()
    embed_items(tables.items, tables.spec, encoder, folders["content"])
    store = ExampleStore.open(folders["examples"])
    content = load_embeddings(folders["content"]).aligned(store.item_ids)
    bin_intents(store, content, IntentConfig(), folders["intents"])
    return folders


def test_both_populations_intents_are_recovered_better_than_by_their_average(
    tmp_path: Path,
) -> None:
    shipped = load_settings(CTRConfig, CONFIGS / "models/daian.yaml")
    training = shipped.training.model_copy(update={"max_epochs": 1})  # UIM has its own epochs
    config = shipped.model_copy(update={"training": training})
    job = CellJob(
        key="daian", code="", variant="daian", model=config, seed=1, threads=1,
        folders=prepare(tmp_path), commit="",
    )  # fmt: skip
    cell = measure(job, tmp_path, Meter(tmp_path / "spent.json")).cell
    assert cell.intent is not None
    assert {population.name for population in cell.intent.populations} == {"specific", "broad"}
    for population in cell.intent.populations:
        assert population.js is not None
        assert population.js_of_average is not None
        assert population.js <= LARGEST_JS
        assert population.js < 0.5 * population.js_of_average
