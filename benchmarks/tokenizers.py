"""Tokenizers beside the peers', on real texts: error, uniqueness, use, meaning, time.

python -m benchmarks.tokenizers --corpus movielens wordnet

Fitted on 90 % of the items; error and uniqueness are of the 10 % held out, use of codes, purity and
recall of all. Every library gets the same split in a seed, one thread, 3 levels of 256 codes.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.peers.environments import Peer, PeerUnavailableError, environment
from benchmarks.peers.runs import ON_CPU_ONLY
from benchmarks.report import commit, finish, options
from benchmarks.tokenizer_corpora import WORDNET, Corpus, CorpusUnavailableError, open_corpus
from models.settings import config_path, load_settings
from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.diagnostics import fvu, perplexity, unique_rate
from models.tokenizers.quality import cohort_purity, neighbour_recall
from models.tokenizers.training import load_tokenizer, train_tokenizer

PEER = Peer(
    "tokenizers", ("vector-quantize-pytorch==1.32.0", "faiss-cpu==1.15.1"), models=("tokenizer",)
)
LIBRARIES = ("vector-quantize-pytorch", "faiss")
CODES = 256


@dataclass(frozen=True)
class Split:
    """A corpus in a random order, the items to fit on first.

    Attributes:
        item_ids: In that order, as everything here.
        values: Embeddings.
        labels: Of the items.
        fitted: Number of items to fit on.
    """

    item_ids: pl.Series
    values: np.ndarray
    labels: pl.Series
    fitted: int


def split(corpus: Corpus, seed: int) -> Split:
    """Return the corpus with 10 % held out."""
    order = np.random.default_rng(seed).permutation(len(corpus.values))
    fitted = len(order) - len(order) // 10
    return Split(corpus.item_ids[order], corpus.values[order], corpus.labels[order], fitted)


def figures(
    data: Split, codes: np.ndarray, reconstruction: np.ndarray, seconds: float
) -> dict[str, float]:
    """Return what the table tells of one tokenizer and seed."""
    unseen = slice(data.fitted, None)
    use = [np.bincount(column, minlength=CODES) for column in codes.T]
    purity = cohort_purity(codes, data.labels)
    found = {
        "held-out fvu": fvu(data.values[unseen], reconstruction[unseen]),
        "held-out unique": unique_rate(codes[unseen]),
        "unique": unique_rate(codes),
        "least use": float(min((counts > 0).mean() for counts in use)),
        "purity": purity[0] or 0.0,
        "purity 1": purity[1] or 0.0,
        "purity 2": purity[2] or 0.0,
        "recall@10": neighbour_recall(data.values, reconstruction) or 0.0,
        "CPU s": seconds,
    }
    return found | {f"perplexity {k + 1}": perplexity(counts) for k, counts in enumerate(use)}


def ours(name: str, data: Split, seed: int) -> dict[str, float]:
    """Train a tokenizer of ours, assign all items, and repair collisions."""
    config = load_settings(TokenizerConfig, config_path("tokenizers", name, Path("configs")))
    settings = {**config.settings, "holdout": 0.0, "repair_collisions": True}
    config = config.model_copy(update={"settings": settings})
    with tempfile.TemporaryDirectory() as place:
        folder, ids = Path(place) / "tokenizer", Path(place) / "ids"
        folder.mkdir()
        ids.mkdir()
        began = time.process_time()
        train_tokenizer(data.values[: data.fitted], config, folder, seed=seed)
        seconds = time.process_time() - began
        result = load_tokenizer(folder).quantised(torch.from_numpy(data.values))
        repaired = assign_semantic_ids(data, folder, ids)
    reconstruction = result.reconstruction.float().numpy()
    found = figures(data, result.codes.numpy(), reconstruction, seconds)
    return found | {
        "repaired unique": float(str(repaired["unique_rate"])),
        "repaired fvu": float(str(repaired["fvu"])) - fvu(data.values, reconstruction),
    }


def theirs(library: str, data: Split, seed: int, home: Path) -> dict[str, float]:
    """Train a peer in its own environment and process."""
    python, _ = environment(PEER, home)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parts = {"train": data.values[: data.fitted], "rest": data.values[data.fitted :]}
        job: dict[str, Any] = {"library": library, "seed": seed, "threads": 1}
        for name, values in parts.items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
            job[name] = str(folder / f"{name}.npy")
        job["out"] = str(folder / "out.npz")
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            [str(python), str(PEER.runner), str(folder / "job.json")],
            env=os.environ | ON_CPU_ONLY | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PeerUnavailableError((done.stderr.strip().splitlines() or ["no word"])[-1])
        with np.load(job["out"], allow_pickle=False) as told:
            codes, reconstruction = told["codes"], told["reconstruction"]
            return figures(data, codes, reconstruction, float(told["seconds"]))


def measure(corpus: Corpus, seeds: Sequence[int], arguments: argparse.Namespace) -> list[Any]:
    """Return a row a tokenizer: the means over the seeds."""
    rows = []
    for name in (*arguments.tokenizers, *arguments.peers):
        head = {"corpus": corpus.name, "tokenizer": name}
        runs = []
        try:
            for seed in seeds:
                data = split(corpus, seed)
                if name in LIBRARIES:
                    runs.append(theirs(name, data, seed, arguments.peers_home))
                else:
                    runs.append(ours(name, data, seed))
                print(head, seed, runs[-1], flush=True)
        except PeerUnavailableError as error:
            rows.append(head | {"missing": str(error)})
            continue
        rows.append(head | {key: float(np.mean([run[key] for run in runs])) for key in runs[0]})
    return rows


def shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the same columns each."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return [{column: row.get(column, "–") for column in columns} for row in rows]


def main() -> None:
    """Measure what is asked for and print the table."""
    parser = options("Tokenizers beside the peers', on real texts, over seeds.")
    parser.add_argument(
        "--corpus", nargs="+", choices=("movielens", "wordnet"), default=["movielens"]
    )
    parser.add_argument("--tokenizers", nargs="*", default=["rqvae", "residual_kmeans"])
    parser.add_argument("--peers", nargs="*", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (1 with --quick)")
    parser.add_argument(
        "--first-seed", type=int, default=3,
        help="the settings were chosen on the splits of seeds 0 to 2",
    )  # fmt: skip
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="WordNet's data.noun")
    parser.add_argument(
        "--peers-home", type=Path, default=Path.home() / ".cache" / "intentflow-peers",
        help="where the peers are installed and the embeddings kept",
    )  # fmt: skip
    arguments = parser.parse_args()
    measured = commit()
    first = arguments.first_seed
    seeds = range(first, first + (1 if arguments.quick else arguments.seeds))
    rows, facts = [], {"commit": measured, "seeds": f"{first}–{seeds[-1]}", "threads": 1}
    for name in arguments.corpus:
        try:
            corpus = open_corpus(
                name, arguments.peers_home, arguments.wordnet, quick=arguments.quick
            )
        except CorpusUnavailableError as error:
            print(f"{name} is left out: {error}")
            continue
        torch.set_num_threads(1)
        facts |= {f"{name} items": len(corpus.values), f"{name} data": corpus.digest[:12]}
        rows += measure(corpus, seeds, arguments)
    if rows:
        finish(shown(rows), arguments, facts, measured=rows)


if __name__ == "__main__":
    main()
