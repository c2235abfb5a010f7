"""The corpora of the tokenizer benchmark: real texts, embedded once and kept."""

import hashlib
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.schema import DatasetSpec
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.files import new_folder
from models.settings import digest
from models.tokenizers.quality import item_labels

WORDNET_ITEMS = 50_000
WORDNET = Path("/usr/share/wordnet/data.noun")
QUICK_ITEMS = 4000


class CorpusUnavailableError(Exception):
    """A corpus is not on this machine; the message says what to do."""


@dataclass(frozen=True)
class Corpus:
    """Embedded items.

    Attributes:
        name: What the table calls it.
        item_ids: Ids of the items.
        values: Their embeddings.
        labels: What cohorts are judged by: main genre, or WordNet's topic.
        digest: SHA-256 of the embeddings: equal digests are equal data.
    """

    name: str
    item_ids: pl.Series
    values: np.ndarray
    labels: pl.Series
    digest: str


def open_corpus(name: str, home: Path, wordnet: Path, *, quick: bool) -> Corpus:
    """Return a corpus, its embeddings kept in ``home`` for the next time.

    Raises:
        CorpusUnavailableError: its texts are not on this machine.
    """
    items, spec = _movielens() if name == "movielens" else _wordnet(wordnet)
    if quick:
        items = items.head(QUICK_ITEMS)
    encoder = EncoderConfig(encoder="minilm", separator=": ", settings={"dtype": "float32"})
    if name == "movielens":
        encoder = encoder.model_copy(update={"separator": " | "})
    texts = items.select("item_id", *spec.item_text).rows()
    folder = home / "content" / digest([encoder.model_dump(), texts])[:16]
    if not folder.is_dir():
        print(f"embedding {len(items)} items of {name}", flush=True)
        torch.set_num_threads(os.cpu_count() or 1)
        with new_folder(folder) as draft:
            embed_items(items, spec, encoder, draft, work_folder=folder.with_suffix(".part"))
    content = load_embeddings(folder)
    labels = item_labels(items, spec.item_fields, content.item_ids)
    key = hashlib.sha256(content.values.tobytes()).hexdigest()
    unknown = pl.repeat(None, len(content.item_ids), dtype=pl.String, eager=True)
    return Corpus(
        name, content.item_ids, content.values, unknown if labels is None else labels, key
    )


def _movielens() -> tuple[pl.DataFrame, DatasetSpec]:
    """Return the films of MovieLens latest-small, by title and genres."""
    real = os.environ.get("INTENTFLOW_REAL_DATA")
    folder = (Path(real) if real else Path("data")) / "movielens-latest-small"
    if not (folder / "movies.csv").is_file():
        raise CorpusUnavailableError(
            f"there is no movies.csv in {folder}: set INTENTFLOW_REAL_DATA to the folder that "
            "holds movielens-latest-small"
        )
    config = DatasetConfig.model_validate(
        {"adapter": "movielens", "settings": {"path": str(folder.resolve())}}
    )
    tables = load_dataset(config, Path.cwd())
    return tables.items, tables.spec


def _wordnet(path: Path) -> tuple[pl.DataFrame, DatasetSpec]:
    """Return nouns of WordNet: the words as a title, the definition as a description."""
    if not path.is_file():
        raise CorpusUnavailableError(
            f"there is no {path}: apt-get install wordnet-base, or name its data.noun with "
            "--wordnet"
        )
    lines = path.read_text(encoding="latin-1").splitlines()
    rows = [_synset(line) for line in lines if not line.startswith("  ")]
    chosen = list(range(len(rows)))
    random.Random(0).shuffle(chosen)
    kept = [rows[i] for i in sorted(chosen[:WORDNET_ITEMS])]
    names = ["item_id", "words", "gloss", "topic"]
    spec = DatasetSpec(name="wordnet", item_text=("words", "gloss"), item_fields=("topic",))
    return pl.DataFrame(kept, schema=names, orient="row"), spec


def _synset(line: str) -> tuple[int, str, str, str]:
    """Return offset, words, definition and lexicographer file of a line (wndb(5WN))."""
    head, _, gloss = line.partition("|")
    fields = head.split()
    words = [fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16))]
    return int(fields[0]), ", ".join(words), gloss.split('; "')[0].strip(), fields[1]
