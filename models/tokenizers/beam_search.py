"""Constrained beam search: the best valid semantic IDs under a model of their codes (GenCI 2.2.2).

A step scores all codes after every beam, drops those that no item continues with, and keeps the
best. What survives the last step is an item, always.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from models.errors import TokenizerError
from models.tokenizers.code_tree import CodeTree, TreeLevel

LOST = float("-inf")


@dataclass(frozen=True)
class Beams:
    """Prefixes kept so far, best first.

    Attributes:
        codes: The codes of each; arbitrary where the score is -inf, for then there is no beam.
        scores: Sum of the log-probabilities of the codes.
        nodes: Node of the tree at which each stands.
        parents: Beam of the step before that each continues: reorders a decoder's cache.
    """

    codes: Int64[Tensor, "B W level"]
    scores: Float[Tensor, "B W"]
    nodes: Int64[Tensor, "B W"]
    parents: Int64[Tensor, "B W"]


@dataclass(frozen=True)
class Found:
    """Items, best first.

    Attributes:
        rows: Row of each in the table of semantic IDs; -1 where there are fewer items than beams.
        codes: Their codes, the collision code last; -1 likewise.
        scores: Log-probability of each; -inf likewise.
    """

    rows: Int64[Tensor, "B W"]
    codes: Int64[Tensor, "B W K1"]
    scores: Float[Tensor, "B W"]


Score = Callable[[Beams], Float[Tensor, "B W V"]]


@torch.no_grad()
def beam_search(tree: CodeTree, score: Score, batch: int, width: int) -> Found:
    """Return the ``width`` best items of each row of a batch.

    Args:
        tree: The valid IDs.
        score: Log-probability of every code after the beams it is given; the first call has one
            beam a row, without codes. It is asked once a level, K + 1 times.
        batch: Number of rows.
        width: Beams of a row.

    Raises:
        TokenizerError: a score is NaN, or scores do not fit the level's number of codes.
    """
    nothing = torch.zeros(batch, 1, dtype=torch.int64, device=tree.device)
    beams = Beams(nothing[..., None][..., :0], nothing.float(), nothing, nothing)
    for level in tree.levels:
        beams = _step(level, beams, score(beams), width)
    rows = tree.rows[beams.nodes]
    alive = beams.scores > LOST
    missing = (0, width - alive.shape[1])
    return Found(
        _padded(torch.where(alive, rows, -1), missing, -1),
        _padded(torch.where(alive[..., None], beams.codes, -1), (0, 0, *missing), -1),
        _padded(beams.scores, missing, LOST),
    )


def _step(level: TreeLevel, beams: Beams, scores: Float[Tensor, "B W V"], width: int) -> Beams:
    batch, kept = beams.scores.shape
    if scores.shape != (batch, kept, level.size):
        raise TokenizerError(
            f"The scores of level {beams.codes.shape[2]} have shape {tuple(scores.shape)}.",
            where="beam search",
            allowed=f"{(batch, kept, level.size)}",
        )
    first = level.starts[beams.nodes]
    most = int((level.starts[beams.nodes + 1] - first).max())
    if level.closed is not None and 4 * most > level.size:
        return _dense_step(level.closed, level, beams, scores, width)
    return _ragged_step(level, beams, scores, width, most)


def _dense_step(
    closed: Tensor, level: TreeLevel, beams: Beams, scores: Float[Tensor, "B W V"], width: int
) -> Beams:
    """Score all codes, masked by the rows of the nodes."""
    total = scores + beams.scores[..., None]
    total.masked_fill_(closed[beams.nodes], LOST)
    best, place = _best(total, width)
    parents, code = place // level.size, place % level.size
    packed = beams.nodes.gather(1, parents) * level.size + code
    return _next(beams, best, parents, code, torch.searchsorted(level.packed, packed))


def _ragged_step(
    level: TreeLevel, beams: Beams, scores: Float[Tensor, "B W V"], width: int, most: int
) -> Beams:
    """Score the children alone: fewer, where nodes have few."""
    offsets = torch.arange(most, device=scores.device)
    children = level.starts[beams.nodes][..., None] + offsets  # B W M
    outside = children >= level.starts[beams.nodes + 1][..., None]
    children.clamp_(max=len(level.codes) - 1)
    codes = level.codes[children]
    total = scores.gather(2, codes) + beams.scores[..., None]
    best, place = _best(total.masked_fill_(outside, LOST), width)
    code, child = (values.flatten(1).gather(1, place) for values in (codes, children))
    return _next(beams, best, place // most, code, child)


def _best(
    total: Float[Tensor, "B W M"], width: int
) -> tuple[Float[Tensor, "B W1"], Int64[Tensor, "B W1"]]:
    flat = total.flatten(1)
    best, place = flat.topk(min(width, flat.shape[1]), dim=1)
    if best.isnan().any():  # NaN sorts above every number, so none is missed
        raise TokenizerError(
            "A score is NaN.", where="beam search", allowed="log-probabilities, -inf included"
        )
    return best, place


def _next(beams: Beams, scores: Tensor, parents: Tensor, code: Tensor, nodes: Tensor) -> Beams:
    before = beams.codes.gather(1, parents[..., None].expand(-1, -1, beams.codes.shape[2]))
    codes = torch.cat([before, code[..., None]], dim=2)
    return Beams(codes, scores, torch.where(scores > LOST, nodes, 0), parents)


def _padded(values: Tensor, missing: tuple[int, ...], value: int | float) -> Tensor:
    return torch.nn.functional.pad(values, missing, value=value)
