"""The native kernel beside its pure-torch twin: the attention alone, and DIN as a whole.

python -m benchmarks.native --quick

Samples per CPU-second of the whole process (all threads, user and system time), medians over
interleaved repeats. Data: MovieLens latest-small as in `benchmarks.training`.
"""

import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.peers.prepared import prepare, source
from benchmarks.report import commit, finish, options
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.data.examples import ExampleStore
from models.layers.attention import TargetAttention
from models.native import library
from models.training.optimizers import freeze_outside, make_optimizer
from models.training.trainer import make_catalogue

DIM, HIDDEN, HEAD = 16, 128, (512, 256, 128)
Work = Callable[[], int]


def forms() -> list[str]:
    """Return the values of the switch to compare: pure torch first."""
    return ["0", *filter(library.supports, library.INSTRUCTIONS)]


def rates(work: Work, repeats: int) -> dict[str, float]:
    """Return the samples per CPU-second of each form."""
    seconds: dict[str, list[float]] = {form: [] for form in forms()}
    samples = 0
    for _ in range(repeats + 1):
        for form, found in seconds.items():
            os.environ[library.SWITCH] = form
            started = time.process_time()
            samples = work()
            found.append(time.process_time() - started)
    os.environ.pop(library.SWITCH)
    return {form: samples / median(found[1:]) for form, found in seconds.items()}


def attention_works(store: ExampleStore, batch_size: int) -> dict[str, Work]:
    """Return the attention alone, on one batch of real histories."""
    generator = torch.Generator().manual_seed(0)
    jagged = store.jagged(store.rows("train")[:: _step(store, batch_size)][:batch_size])
    attention = TargetAttention(DIM, HIDDEN)
    rows = len(jagged.offsets) - 1
    query = torch.randn(rows, DIM, generator=generator, requires_grad=True)
    table = torch.randn(store.spec.num_items, DIM, generator=generator, requires_grad=True)
    index, offsets = torch.from_numpy(jagged.values), torch.from_numpy(jagged.offsets)
    toward = torch.ones(rows, DIM)

    def infer() -> int:
        with torch.inference_mode():
            attention.jagged(query, table, offsets, index)
        return rows

    def learn() -> int:
        attention.jagged(query, table, offsets, index).backward(toward)
        return rows

    return {"attention, scoring": infer, "attention, training": learn}


def model_works(store: ExampleStore, batch_size: int, steps: int) -> dict[str, Work]:
    """Return DIN's scoring and training steps, from gathering a batch to the optimizer."""
    config = CTRConfig.model_validate(
        {
            "model": "din",
            "settings": {
                "embedding_dim": DIM,
                "attention_hidden": HIDDEN,
                "head": HEAD,
                "use_trigger": False,
            },
            "training": {"batch_size": batch_size, "learning_rate": 1e-3},
        }
    )
    model = build_model(config, make_catalogue(store, None, None), seed=0)
    stage = model.stages()[0]
    freeze_outside(stage, model)
    optimizer = make_optimizer(stage, model, config.training)
    order = np.random.default_rng(0).permutation(store.rows("train"))
    batches = [order[at * batch_size : (at + 1) * batch_size] for at in range(steps)]

    def infer() -> int:
        with torch.inference_mode():
            for rows in batches:
                model(store.gather(rows)).sigmoid()
        return steps * batch_size

    def learn() -> int:
        for rows in batches:
            batch = store.gather(rows)
            optimizer.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
            optimizer.step()
        return steps * batch_size

    return {"DIN, scoring": infer, "DIN, training": learn}


def measure(arguments: Namespace, raw: Path) -> tuple[list[dict[str, Any]], str]:
    """Return a row for each part and form, and the digest of the data."""
    repeats, steps = (3, 3) if arguments.quick else (9, 8)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        data = prepare(raw, Path(name))
        store = ExampleStore.open(data.folder / "examples")
        works = attention_works(store, arguments.batch_size)
        works |= model_works(store, arguments.batch_size, steps)
        for part, work in works.items():
            found = rates(work, repeats)
            for form, rate in found.items():
                rows.append(
                    {
                        "part": part,
                        "form": "torch" if form == "0" else form,
                        "samples/CPU-s": f"{rate / 1000:.1f}k",
                        "of torch": f"{rate / found['0']:.2f} ×",
                    }
                )
    return rows, data.digest


def main() -> None:
    """Measure, and print the table."""
    parser = options("The native kernel beside its pure-torch twin.")
    parser.add_argument("--raw", type=Path, help="the MovieLens latest-small folder")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not library.available():
        parser.exit(2, "error: the native kernels were not built here\n")
    rows, digest = measure(arguments, source(arguments.raw))
    facts = {"commit": commit(), "data": digest[:12], "threads": arguments.threads}
    finish(rows, arguments, facts | {"batch": arguments.batch_size})


def _step(store: ExampleStore, batch_size: int) -> int:
    return max(1, len(store.rows("train")) // batch_size)


if __name__ == "__main__":
    main()
