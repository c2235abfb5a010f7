"""Constrained beam search over a million valid IDs, beside a Python dict trie; no model in either.

python -m benchmarks.beam_search

The dict trie is what generative-retrieval code commonly has: a nested dict of codes, and a mask
built beam by beam from the keys of a prefix. Both get the same scores and must find the same items.
Medians over the repeats of a whole search on one thread: CPU milliseconds, which a busy machine
changes little, and milliseconds by the clock.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.report import commit, finish, options
from models.tokenizers.beam_search import Beams, Score, beam_search
from models.tokenizers.code_tree import CodeTree
from models.tokenizers.collisions import collision_codes

CODES, LEVELS = 256, 3
REPEATS = 60

Trie = dict[int, Any]


def catalogue(items: int, skew: bool) -> np.ndarray:
    """Return IDs, even or as real ones are: crowded themes and codes that depend on the prefix."""
    random = np.random.default_rng(0)
    codes = random.integers(0, CODES, (items, LEVELS))
    if skew:
        codes[:, 0] = random.choice(CODES, items, p=random.dirichlet(np.full(CODES, 0.3)))
        for level in range(1, LEVELS):
            step = random.geometric(0.03, items)
            codes[:, level] = (codes[:, level - 1] + step) % CODES
    return np.column_stack([codes, collision_codes(pl.Series(range(items)), codes)])


def dict_trie(codes: np.ndarray) -> Trie:
    """Return the IDs as nested dicts; a leaf holds the item."""
    root: Trie = {}
    for row, item in enumerate(codes.tolist()):
        node = root
        for code in item[:-1]:
            node = node.setdefault(code, {})
        node[item[-1]] = row
    return root


def dict_search(root: Trie, sizes: list[int], score: Score, batch: int, width: int) -> torch.Tensor:
    """Return the rows that a search by a dict trie finds."""
    nodes: list[list[Any]] = [[root] for _ in range(batch)]
    nothing = torch.zeros(batch, 1, dtype=torch.int64)
    beams = Beams(nothing[..., None][..., :0], nothing.float(), nothing, nothing)
    for size in sizes:
        mask = torch.full((batch, beams.scores.shape[1], size), float("-inf"))
        for row, kept in enumerate(nodes):
            for beam, node in enumerate(kept):
                mask[row, beam, list(node)] = 0.0
        total = (score(beams) + mask + beams.scores[..., None]).flatten(1)
        best, place = total.topk(min(width, total.shape[1]), dim=1)
        parents, code = place // size, place % size
        alive = (best > float("-inf")).tolist()
        nodes = [
            [nodes[row][p][c] if ok else {} for p, c, ok in zip(*line, strict=True)]
            for row, line in enumerate(zip(parents.tolist(), code.tolist(), alive, strict=True))
        ]
        before = beams.codes.gather(1, parents[..., None].expand(-1, -1, beams.codes.shape[2]))
        codes = torch.cat([before, code[..., None]], dim=2)
        beams = Beams(codes, best, torch.zeros_like(parents), parents)
    return torch.tensor([[leaf if isinstance(leaf, int) else -1 for leaf in row] for row in nodes])


def scores_of(sizes: list[int], batch: int, width: int) -> Score:
    """Return log-probabilities drawn once, so that no model is measured."""
    generator = torch.Generator().manual_seed(0)
    drawn: dict[tuple[int, int], torch.Tensor] = {}
    kept = 1
    for level, size in enumerate(sizes):
        for beams in {kept, width}:
            values = torch.randn(batch, beams, size, generator=generator)
            drawn[level, beams] = torch.log_softmax(values, -1)
        kept = min(width, kept * size)
    return lambda beams: drawn[beams.codes.shape[2], beams.scores.shape[1]]


def timed(search: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median milliseconds: of CPU, and by the clock."""
    spans = []
    for _ in range(repeats):
        began = time.process_time(), time.perf_counter()
        search()
        spans.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    cpu, wall = 1000 * np.median(spans, axis=0)
    return float(cpu), float(wall)


def measure(items: int, batch: int, width: int, skew: bool) -> dict[str, Any]:
    """Return a row of the table, after checking that both searches find the same items."""
    codes = catalogue(items, skew)
    sizes = [CODES] * LEVELS + [int(codes[:, -1].max()) + 1]
    began = time.process_time()
    tree = CodeTree.build(codes, sizes)
    built, root = time.process_time() - began, dict_trie(codes)
    score = scores_of(sizes, batch, width)
    found = beam_search(tree, score, batch, width)
    if not torch.equal(found.rows, dict_search(root, sizes, score, batch, width)):
        raise SystemExit("the two searches differ")
    ours = timed(lambda: beam_search(tree, score, batch, width), REPEATS)
    theirs = timed(lambda: dict_search(root, sizes, score, batch, width), max(3, REPEATS // 6))
    return {
        "items": items,
        "IDs": "skewed" if skew else "even",
        "built in CPU s": built,
        "CPU ms": ours[0],
        "ms": ours[1],
        "dict trie CPU ms": theirs[0],
        "dict trie ms": theirs[1],
        "times faster": theirs[0] / ours[0],
    }


def main() -> None:
    """Measure even and skewed IDs and print the table."""
    parser = options("Constrained beam search over valid IDs, beside a Python dict trie.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured = commit()
    items = 50_000 if arguments.quick else arguments.items
    sizes = (items, arguments.batch, arguments.width)
    rows = [measure(*sizes, skew) for skew in (False, True)]
    facts = {"commit": measured, "batch": arguments.batch, "width": arguments.width, "threads": 1}
    finish(rows, arguments, facts)


if __name__ == "__main__":
    main()
