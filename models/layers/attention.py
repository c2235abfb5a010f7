"""Attention over a behaviour sequence: DIN's target attention, and multi-head forms (DAIAN 4.2).

Queries may have one row or many, sequences too: one of them is repeated for the other, which is how
one request meets many candidates without a copy of its history.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.layers.attention_blocks import make_plan
from models.layers.fused_attention import FusedTargetAttention, UnitWeights
from models.layers.lookup import take_rows
from models.layers.shares import threads_for_shares
from models.native import head_attention as native_heads
from models.native import target_attention as native
from models.native.head_attention import Heads, Spans

Normalisation = Literal["none", "sigmoid", "softmax"]

_BLOCK_FLOATS = {"cpu": 800_000}  # in the cache of a thread, and many enough to be dealt out
_MANY_FLOATS = 64_000_000


def masked_softmax(
    scores: Float[Tensor, "*batch L"], mask: Bool[Tensor, "*#batch L"]
) -> Float[Tensor, "*batch L"]:
    """Return the softmax over real positions; all zeros where there is none."""
    lowest = torch.finfo(scores.dtype).min
    weights = torch.softmax(scores.masked_fill(~mask, lowest), dim=-1)
    return weights * mask


def target_attention(
    query: Float[Tensor, "B D"],
    keys: Float[Tensor, "N D"],
    offsets: Int[Tensor, " H1"],
    weights: UnitWeights,
    normalisation: Normalisation = "none",
    index: Int[Tensor, " T"] | None = None,
) -> Float[Tensor, "B D"]:
    """Return each query's weighted sum of its keys; zeros where there is none.

    Args:
        query: One row an impression.
        keys: The keys one after the other, or with ``index`` a table they are rows of.
        offsets: Query ``i`` asks the keys ``offsets[i]`` … ``offsets[i + 1]`` - 1. Two bounds alone
            are one history that every query asks.
        weights: The activation unit's parameters.
        normalisation: What turns scores into weights.
        index: Row of the table that each key is.

    The native kernel computes it where there is one for these tensors, with equal results.
    """
    inputs = (query, keys, *weights)
    if native.takes(*inputs) and not torch.compiler.is_compiling():
        plan = native.Plan(normalisation, threads=threads_for_shares())
        return native.target_attention(query, keys, offsets, weights, index, plan)
    if index is None:
        index = torch.arange(keys.shape[0], device=keys.device)
    dim, width = query.shape[1], weights.key.shape[0]
    limit = _BLOCK_FLOATS.get(keys.device.type, _MANY_FLOATS) // width
    with torch.autocast(keys.device.type, enabled=False):
        return FusedTargetAttention.apply(  # pyright: ignore
            query.to(keys.dtype),
            keys,
            make_plan(
                offsets, index, keys.shape[0], rows=query.shape[0], overhead=dim, limit=limit
            ),
            normalisation,
            *weights,
        )


class TargetAttention(nn.Module):
    """DIN's activation unit: a small network on [q, k, q-k, q·k] weighs each behaviour.

    Its first layer is folded: W·[q, k, q-k, q·k] = (W1+W3)q + (W2-W3)k + W4(q·k), so that no
    ``B L 4D`` tensor exists and the query's share is computed once per impression.

    Args:
        dim: Width of query and keys.
        hidden: Hidden units.
        normalisation: What turns scores into weights. DIN (4.3) keeps them as they are, so that
            the sum's length tells how strong an interest is; see docs/models/din.md.
    """

    def __init__(self, dim: int, hidden: int, normalisation: Normalisation = "none") -> None:
        super().__init__()
        self.query = nn.Linear(dim, hidden)
        self.key = nn.Linear(dim, hidden, bias=False)
        self.product = nn.Linear(dim, hidden, bias=False)
        self.output = nn.Linear(hidden, 1)
        self.normalisation: Normalisation = normalisation

    def forward(
        self,
        query: Float[Tensor, "#B D"],
        keys: Float[Tensor, "#B L D"],
        mask: Bool[Tensor, "#B L"],
    ) -> Float[Tensor, "B D"]:
        """Return the weighted sum of the real keys; zeros where there is none."""
        index = mask.flatten().nonzero().squeeze(-1)
        offsets = F.pad(mask.sum(-1).cumsum(0), (1, 0))
        return self.jagged(query, keys.flatten(0, 1), offsets, index)

    def jagged(
        self,
        query: Float[Tensor, "B D"],
        table: Float[Tensor, "N D"],
        offsets: Int[Tensor, " H1"],
        index: Int[Tensor, " T"],
    ) -> Float[Tensor, "B D"]:
        """Return the same for keys without padding, given as rows of a table."""
        weights = UnitWeights(
            self.query.weight,
            self.query.bias,
            self.key.weight,
            self.product.weight,
            self.output.weight.squeeze(0),
            self.output.bias,
        )
        return target_attention(query, table, offsets, weights, self.normalisation, index)


class MultiHeadTargetAttention(nn.Module):
    """Multi-head target attention, MHTA (DAIAN Eq. 7–8, 10).

    With one query per impression, keys and values need no projection of the whole sequence:
    (W^Q u)·(W^K e) = (W^Kᵀ W^Q u)·e and Σ a W^V e = W^V Σ a e, the same numbers at a fraction of
    the work. ``√d`` is that of one head.

    Args:
        query_dim: Width of the query.
        key_dim: Width of the sequence.
        dim: Width of the output, over all heads.
        heads: Number of heads.
    """

    def __init__(self, query_dim: int, key_dim: int, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.key = nn.Parameter(_projection(heads, self.head_dim, key_dim))
        self.value = nn.Parameter(_projection(heads, self.head_dim, key_dim))
        self.output = nn.Linear(dim, dim, bias=False)

    def forward(
        self,
        query: Float[Tensor, "#B Q"],
        keys: Float[Tensor, "#B L D"],
        mask: Bool[Tensor, "#B L"],
    ) -> Float[Tensor, "B E"]:
        """Return the attended sequence; zeros where no position is real."""
        folded = self._folded(query, self.key).transpose(0, 1) / math.sqrt(self.head_dim)
        scores = torch.matmul(folded, keys.transpose(1, 2))  # B H L
        pooled = torch.matmul(masked_softmax(scores, mask[:, None]), keys)  # B H D
        return self._unfolded(pooled.transpose(0, 1), self.value)

    def jagged(
        self,
        query: Float[Tensor, "B Q"],
        table: Float[Tensor, "N D"],
        offsets: Int[Tensor, " H1"],
        index: Int[Tensor, " E"],
        before: Float[Tensor, "S D"] | None = None,
        queries: Int[Tensor, " H1"] | None = None,
    ) -> Float[Tensor, "B E2"]:
        """Return the same for sequences without padding, given as rows of a table.

        Args:
            query: One row an impression; many rows may ask one sequence.
            table: The table.
            offsets: Where each sequence starts in ``index``, and the end of the last one.
            index: Row of the table at each position.
            before: A linear map of the table's rows to the width of the sequence, where they do
                not have it: it is folded into the keys' and values' projections.
            queries: Where the queries of each sequence start, and the end of the last one, unless
                each has one, or a single one has all.
        """
        width = table.shape[1]
        if not native_heads.takes(table, query, widths=(width,)):
            mapped = table if before is None else table @ before.t()
            keys, mask = padded(mapped, offsets, index)
            if queries is not None:
                each = torch.repeat_interleave(queries.diff())
                keys, mask = keys[each], mask[each]
            return self(query, keys, mask)
        key, value = self.key, self.value
        if before is not None:
            key, value = key @ before, value @ before
        if queries is None:
            queries = _query_offsets(len(query), offsets)
        heads = Heads(self.heads, shared=True, scale=self.head_dim**-0.5)
        spans = Spans(queries, offsets, key_index=index)
        folded = self._folded(query, key)
        return self._unfolded(
            native_heads.head_attention(folded, table, table, spans, heads), value
        )

    def _folded(
        self, query: Float[Tensor, "B Q"], key: Float[Tensor, "H d D"]
    ) -> Float[Tensor, "H B D"]:
        queries = self.query(query).unflatten(-1, (self.heads, self.head_dim))  # B H d
        return torch.bmm(queries.transpose(0, 1), key)

    def _unfolded(
        self, pooled: Float[Tensor, "H B D"], value: Float[Tensor, "H d D"]
    ) -> Float[Tensor, "B E2"]:
        heads = torch.bmm(pooled, value.transpose(1, 2))  # H B d
        return self.output(heads.transpose(0, 1).flatten(1))


class MultiHeadSelfAttention(nn.Module):
    """Multi-head self-attention, MHSA (DAIAN Eq. 9), without residual or normalisation.

    Args:
        dim: Width of the sequence, kept by the output.
        inner: Width over all heads.
        heads: Number of heads.
    """

    def __init__(self, dim: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, inner // heads
        self.project = nn.Linear(dim, 3 * inner, bias=False)
        self.output = nn.Linear(inner, dim, bias=False)

    def forward(
        self, sequence: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]
    ) -> Float[Tensor, "B L D"]:
        """Return the sequence with every position attending to all real ones."""
        return self.output(self._attended(sequence, mask))

    def jagged(
        self, table: Float[Tensor, "N D"], offsets: Int[Tensor, " H1"], index: Int[Tensor, " E"]
    ) -> Float[Tensor, "E I"]:
        """Return what every position attends to, head beside head, before the output's map.

        Sequences come without padding, as rows of a table; queries, keys and values are projected
        once a row of the table. What has no native kernel, see `takes`, is padded for the time.
        """
        if not self.takes(table):
            sequence, mask = padded(table, offsets, index)
            return self._attended(sequence, mask)[mask]
        query, key, value = self.project(table).chunk(3, dim=-1)
        heads = Heads(self.heads, shared=False, scale=self.head_dim**-0.5)
        spans = Spans(offsets, offsets, index, index)
        return native_heads.head_attention(query, key, value, spans, heads)

    def sequences(
        self, table: Float[Tensor, "N D"], offsets: Int[Tensor, " H1"], index: Int[Tensor, " E"]
    ) -> Float[Tensor, "E D"]:
        """Return what `forward` returns, of sequences without padding."""
        return self.output(self.jagged(table, offsets, index))

    def _attended(
        self, sequence: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]
    ) -> Float[Tensor, "B L I"]:
        parts = self.project(sequence).unflatten(-1, (3, self.heads, self.head_dim))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # B H L d each
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(self.head_dim)
        attended = torch.matmul(masked_softmax(scores, mask[:, None, None]), value)
        return attended.transpose(1, 2).flatten(2)

    def takes(self, table: Float[Tensor, "N D"]) -> bool:
        """Return whether `jagged` has a kernel for this table."""
        return native_heads.takes(table, self.project.weight, widths=(self.head_dim,))


def padded(
    table: Float[Tensor, "N D"], offsets: Int[Tensor, " H1"], index: Int[Tensor, " E"]
) -> tuple[Float[Tensor, "R L D"], Bool[Tensor, "R L"]]:
    """Return sequences that are rows of a table in padded form, and which positions are real."""
    lengths = offsets.diff()
    longest = int(lengths.max()) if lengths.numel() else 0
    mask = torch.arange(longest, device=table.device) < lengths[:, None]
    rows = torch.zeros(mask.shape, dtype=torch.long, device=table.device)
    rows[mask] = index.long()
    return take_rows(table, rows), mask


def _query_offsets(queries: int, offsets: Int[Tensor, " H1"]) -> Int[Tensor, " H1"]:
    """Return the offsets of one query a sequence, or of all queries on the only one."""
    if len(offsets) == 2:
        return torch.tensor([0, queries])
    return torch.arange(queries + 1)


def _projection(heads: int, head_dim: int, dim: int) -> Tensor:
    weight = torch.empty(heads * head_dim, dim)
    nn.init.xavier_uniform_(weight)
    return weight.view(heads, head_dim, dim)
