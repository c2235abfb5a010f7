"""Quality of the CTR models on one split, over seeds: mean ± sd, RelaImpr, rank-sum p-value.

python -m benchmarks.models --dataset movielens_latest_small --models din daian --seeds 5
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import commit, finish, options
from models.artifacts import file_hash
from models.assessment.predictions import Evidence, evaluation_input
from models.ctr.config import CTRConfig
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.tables import Tables
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.metrics.intervals import rank_sum_test
from models.metrics.ranking import rela_impr
from models.reports.evaluation import evaluate
from models.settings import config_path, load_settings
from models.training.trainer import load_model, make_catalogue, score, train

CONFIGS = Path("configs")


def prepare(dataset: str, encoder: str, folder: Path) -> tuple[Tables, Evidence, np.ndarray]:
    """Return tables, examples, intent labels and content of a data set, as the workflow does."""
    config = load_settings(DatasetConfig, config_path("datasets", dataset, CONFIGS))
    tables = load_dataset(config, Path.cwd()).collect()
    (folder / "content").mkdir()
    (folder / "intents").mkdir()
    build_example_store(tables, config.examples, folder / "examples", seed=1)
    store = ExampleStore.open(folder / "examples")
    settings = load_settings(EncoderConfig, config_path("encoders", encoder, CONFIGS))
    spec = tables.spec
    images = Path(spec.images_root) if spec.has_images and spec.images_root else None
    embed_items(tables.items, spec, settings, folder / "content", images_root=images)
    content = load_embeddings(folder / "content").aligned(store.item_ids)
    bin_intents(store, content, IntentConfig(), folder / "intents")
    return tables, Evidence(store, IntentLabels.open(folder / "intents")), content


def measure(
    config: CTRConfig,
    evidence: Evidence,
    content: np.ndarray,
    tables: Tables,
    seed: int,
    folder: Path,
) -> dict[str, float]:
    """Train one model with one seed and return its test figures."""
    store, intents = evidence.store, evidence.intents
    catalogue = make_catalogue(store, content, intents)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    train(config, store, catalogue, intents, folder, seed=seed, resume_folder=folder / "resume")
    seconds = time.perf_counter() - started
    rows = store.rows("test")
    scores = score(load_model(folder).model, store, rows)
    data = evaluation_input(evidence, rows, config.model, scores, tables)
    result = evaluate(data, bootstrap=0, seed=0)
    figures = {name: result.metrics[name].value or float("nan") for name in result.metrics}
    if result.intent is not None:
        figures |= {f"js {p.name}": p.js or 0.0 for p in result.intent.populations}
        figures |= {
            f"js average {p.name}": p.js_of_average or 0.0 for p in result.intent.populations
        }
    return figures | {"seconds": seconds}


def summarise(runs: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Return a row a model, relative to the first one."""
    base = next(iter(runs))
    names = list(dict.fromkeys(name for found in runs.values() for name in found[0]))
    rows = []
    for model, found in runs.items():
        row: dict[str, Any] = {"model": model, "seeds": len(found)}
        for name in names:
            values = [run[name] for run in found if name in run]
            spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
            row[name] = f"{np.mean(values):.4f}{spread}" if values else "–"
        for name in ("auc", "gauc"):
            ours = np.array([run[name] for run in found])
            theirs = np.array([run[name] for run in runs[base]])
            row[f"RelaImpr {name}"] = f"{rela_impr(ours.mean(), theirs.mean()):+.2f} %"
            row[f"p {name}"] = "–" if model == base else f"{rank_sum_test(ours, theirs):.4f}"
        rows.append(row)
    return rows


def main() -> None:
    """Train every model with every seed and print the table."""
    parser = options("Quality of the CTR models over seeds, the first model being the base.")
    parser.add_argument("--dataset", default="movielens_latest_small")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--models", nargs="+", default=["din", "daian"])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    measured = commit()  # before anything runs: the tree may change meanwhile
    seeds = range(1, (2 if arguments.quick else arguments.seeds) + 1)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.models}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables, evidence, content = prepare(arguments.dataset, arguments.encoder, folder)
        for seed in seeds:
            for model in arguments.models:
                config = load_settings(CTRConfig, config_path("models", model, CONFIGS))
                place = folder / model / str(seed)
                runs[model].append(measure(config, evidence, content, tables, seed, place))
                print(model, seed, runs[model][-1], flush=True)
    facts = {
        "commit": measured,
        "data set": arguments.dataset,
        "data": file_hash(Path("data.dvc"))[:12],
        "encoder": arguments.encoder,
        "seeds": f"1–{len(seeds)}",
        "test rows": len(evidence.store.rows("test")),
    }
    finish(summarise(runs), arguments, facts)


if __name__ == "__main__":
    main()
