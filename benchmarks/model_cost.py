"""What each CTR model costs beside DIN: training, scoring, and one request, on one thread.

python -m benchmarks.model_cost --quick

CPU time, medians over interleaved repeats. Training goes from gathering random rows to the
optimizer's step, in the model's last stage. Scoring gathers and scores test rows in their order, as
an evaluation does, which puts a request's impressions side by side; and, scattered, at random. A
request is one user's, its batch made beforehand.
"""

import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.report import commit, finish, options
from models.ctr.base import CTRModel, Stage
from models.ctr.build import build_model
from models.ctr.config import CTRConfig, TrainingConfig
from models.ctr.registry import MODELS
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.native import library
from models.settings import config_path, load_settings
from models.training.optimizers import clip_gradients, freeze_outside, make_optimizer
from models.training.row_updates import follow
from models.training.scoring import score
from models.training.stages import stage_batch, stage_loss
from models.training.trainer import make_catalogue

BASE = "din"
CONFIGS = Path("configs")
CANDIDATES, REQUESTS = 100, 20
PARTS = ("training", "scoring", "scattered", "request")
Work = Callable[[], int]


@dataclass(frozen=True)
class Sizes:
    """How much is measured: rows a training step, steps, rows of one scoring, repeats."""

    batch: int
    steps: int
    scored: int
    repeats: int


def prepare(dataset: str, encoder: str, folder: Path) -> None:
    """Write a data set's ``examples``, ``content`` and ``intents``, as the workflow does."""
    config = load_settings(DatasetConfig, config_path("datasets", dataset, CONFIGS))
    tables = load_dataset(config, Path.cwd()).collect()
    for part in ("content", "intents"):
        (folder / part).mkdir()
    build_example_store(tables, config.examples, folder / "examples", seed=1)
    store = ExampleStore.open(folder / "examples")
    settings = load_settings(EncoderConfig, config_path("encoders", encoder, CONFIGS))
    spec = tables.spec
    images = Path(spec.images_root) if spec.has_images and spec.images_root else None
    embed_items(tables.items, spec, settings, folder / "content", images_root=images)
    content = load_embeddings(folder / "content").aligned(store.item_ids)
    bin_intents(store, content, IntentConfig(), folder / "intents")


class Measured:
    """One model and what is measured of it."""

    def __init__(self, name: str, store: ExampleStore, intents: IntentLabels, content: Any) -> None:
        config = load_settings(CTRConfig, config_path("models", name, CONFIGS))
        self.store, self.intents = store, intents
        self.model: CTRModel = build_model(config, make_catalogue(store, content, intents), seed=0)
        self.training: TrainingConfig = config.training
        self.stage: Stage = self.model.stages()[-1]
        freeze_outside(self.stage, self.model)
        self.optimizer = make_optimizer(self.stage, self.model, self.training)

    def works(self, sizes: Sizes) -> dict[str, Work]:
        """Return a function for each part, which does it once and returns how many rows it was."""
        generator = np.random.default_rng(0)
        order = generator.permutation(self.store.rows("train"))
        batches = np.array_split(order[: sizes.batch * sizes.steps], sizes.steps)
        rows = self.store.rows("test")[: sizes.scored]
        scattered = generator.permutation(self.store.rows("test"))[: sizes.scored]
        singles = [self.store.gather(scattered[at : at + 1]) for at in range(REQUESTS)]
        codes = generator.integers(2, self.store.spec.num_items, (REQUESTS, CANDIDATES))
        candidates = torch.from_numpy(codes.astype(np.int32))

        def request() -> int:
            self.model.eval()
            with torch.inference_mode():
                for single, asked in zip(singles, candidates, strict=True):
                    self.model.score_candidates(single, asked)
            return REQUESTS

        return {
            "training": lambda: self._learn(batches),
            "scoring": lambda: len(score(self.model, self.store, rows).logit),
            "scattered": lambda: len(score(self.model, self.store, scattered).logit),
            "request": request,
        }

    def _learn(self, batches: list[np.ndarray]) -> int:
        self.model.train()
        with follow(self.model, self.optimizer):
            for rows in batches:
                batch = stage_batch(self.stage, self.store, self.intents, rows)
                self.optimizer.zero_grad(set_to_none=True)
                stage_loss(self.stage, self.model, batch, self.training.positive_weight).backward()
                clip_gradients(self.model.parameters(), self.training.grad_clip)
                self.optimizer.step()
        return sum(map(len, batches))


def seconds_each(works: dict[str, dict[str, Work]], repeats: int) -> dict[str, dict[str, float]]:
    """Return each model's CPU seconds per row of each part: medians, all models in turn."""
    found = {name: {part: [] for part in PARTS} for name in works}
    for repeat in range(repeats + 1):
        for part in PARTS:
            for name, work in works.items():
                began = time.process_time()
                rows = work[part]()
                if repeat:  # the first one warms up
                    found[name][part].append((time.process_time() - began) / rows)
    return {
        name: {part: median(spans) for part, spans in parts.items()}
        for name, parts in found.items()
    }


def table(seconds: dict[str, dict[str, float]]) -> list[dict[str, str]]:
    """Return a row a model: microseconds a row and a request, and how many times DIN's."""
    rows = []
    for name, parts in seconds.items():
        row = {"model": name}
        for part in PARTS:
            row[f"{part} µs"] = f"{parts[part] * 1e6:.1f}"
            row[f"{part} × {BASE}"] = f"{parts[part] / seconds[BASE][part]:.2f}"
        rows.append(row)
    return rows


def measure(arguments: Namespace, folder: Path, sizes: Sizes) -> dict[str, dict[str, float]]:
    """Return what `seconds_each` finds on the data set in ``folder``."""
    store, intents = ExampleStore.open(folder / "examples"), IntentLabels.open(folder / "intents")
    content = load_embeddings(folder / "content").aligned(store.item_ids)
    names = list(dict.fromkeys([BASE, *arguments.models]))
    works = {name: Measured(name, store, intents, content).works(sizes) for name in names}
    return seconds_each(works, sizes.repeats)


def main() -> None:
    """Measure every model asked for and print the table."""
    parser = options("What each CTR model costs beside DIN.")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--dataset", default="movielens_latest_small")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument(
        "--prepared", type=Path, metavar="FOLDER",
        help="holds examples, content and intents of a data set; made anew without it",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = Sizes(1024, 2, 4096, 3) if arguments.quick else Sizes(1024, 6, 8192, 9)
    measured = commit()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.prepared or Path(name)
        if arguments.prepared is None:
            prepare(arguments.dataset, arguments.encoder, folder)
        seconds = measure(arguments, folder, sizes)
    facts = {
        "commit": measured,
        "data": str(arguments.prepared or arguments.dataset),
        "threads": arguments.threads,
        "instructions": library.chosen_instructions() if library.available() else "torch",
        "candidates a request": CANDIDATES,
    }
    lines = [{"model": name, **parts} for name, parts in seconds.items()]
    finish(table(seconds), arguments, facts, measured=lines)


if __name__ == "__main__":
    main()
