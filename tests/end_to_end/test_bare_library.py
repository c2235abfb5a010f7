"""Delete ZenML, Great Expectations, Evidently, DVC and BentoML: the library still works.

The bare environment is real: a folder that holds `models/` and links to the project's core
dependencies (no extras) and to what those need, and to nothing else that is installed.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
OPS_TOOLS = ("zenml", "great_expectations", "evidently", "dvc", "bentoml", "pandas")

PROGRAM = f"""
import importlib.util, json, sys
from pathlib import Path

present = [name for name in {OPS_TOOLS!r} if importlib.util.find_spec(name)]
assert not present, f"not bare: {{present}}"

from models.ctr.config import CTRConfig
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.assessment.evaluate import evaluate_models
from models.data.tables import write_tables
from models.artifacts import write_artifact
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from models.settings import load_settings
from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.training import train_tokenizer
from models.training.trainer import make_catalogue, train

root, work = Path(sys.argv[1]), Path(sys.argv[2])
configs = root / "configs"
data = load_settings(DatasetConfig, configs / "datasets" / "simulator_tiny.yaml")
tables = load_dataset(data, work)
folders = {{}}


def artifact(role, write, kind=None):
    with write_artifact(work / role, kind or role) as draft:
        draft.summary.update(write(draft.folder) or {{}})
    folders[role] = work / role
    return work / role


artifact("tables", lambda f: write_tables(tables, f))
store = ExampleStore.open(
    artifact("examples", lambda f: build_example_store(tables, data.examples, f, seed=1))
)
encoder = load_settings(EncoderConfig, configs / "encoders" / "minilm.yaml")
embeddings = load_embeddings(
    artifact("content", lambda f: embed_items(tables.items, tables.spec, encoder, f))
)
content = embeddings.aligned(store.item_ids)
intents = IntentLabels.open(
    artifact("intents", lambda f: bin_intents(store, content, IntentConfig(), f))
)
tokenizer = load_settings(TokenizerConfig, configs / "tokenizers" / "rqvae_tiny.yaml")
place = artifact("tokenizer", lambda f: train_tokenizer(embeddings.values, tokenizer, f, seed=1))
artifact("semantic_ids", lambda f: assign_semantic_ids(embeddings, place, f))
catalogue = make_catalogue(store, content, intents)
for role, name in (("baseline", "din_tiny"), ("model", "daian_tiny")):
    config = load_settings(CTRConfig, configs / "models" / f"{{name}}.yaml")
    artifact(
        role,
        lambda f: train(
            config, store, catalogue, intents, f, seed=1, resume_folder=work / "resume" / role
        ),
        kind="ctr_model",
    )
into = work / "evaluation"
into.mkdir()
figures = evaluate_models(folders, into, bootstrap=10, seed=1)
predictor = Predictor.load(folders["model"])
items = tables.items["item_id"].to_list()
answer = predictor.score(
    ScoreRequest(
        user_id=tables.users["user_id"][0],
        trigger_item_id=items[0],
        candidates=items[:5],
        timestamp=int(tables.impressions["timestamp"].max()),
    )
)
print(json.dumps({{"auc": figures["test/auc"], "probabilities": answer.probabilities}}))
"""


def needed(extras: tuple[str, ...] = ("minilm",)) -> dict[str, Distribution]:
    """Return the installed distributions that the core dependencies need, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = list(project["dependencies"])
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    found: dict[str, Distribution] = {}
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += found[name].requires or []
    return found


@pytest.fixture(name="bare")
def _bare(tmp_path: Path) -> Path:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "models").symlink_to(ROOT / "models")
    for package in needed().values():
        for file in package.files or ():
            top = file.parts[0]
            source = Path(str(package.locate_file(top)))
            if top not in {"..", "__pycache__"} and source.exists() and not (bare / top).exists():
                (bare / top).symlink_to(source)
    return bare


def test_the_library_trains_evaluates_and_predicts_without_any_ops_tool(
    bare: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(bare)!r})\n{PROGRAM}",
         str(ROOT), str(work)],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1", "HOME": str(work), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"probabilities": [0.' in done.stdout
