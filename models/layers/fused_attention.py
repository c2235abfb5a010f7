"""DIN's target attention without padding, forward and backward in blocks that fit a cache.

An impression's folded first layer is one matrix: W_k k + W_p (q·k) = (W_k + W_p diag q) k, so that
a product of width D does what took one of width 2D; its bias is one row more. The hidden layer of
a block is computed again for the gradient: no memory grows with the hidden width. On a CPU each
thread does its share of the blocks.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.layers.attention_blocks import Block, Plan
from models.layers.lookup import sum_rows
from models.layers.shares import Found, in_shares


class UnitWeights(NamedTuple):
    """The activation unit a(q, k) = w_out · relu(W_q q + W_k k + W_p (q·k) + b) + b_out."""

    query: Float[Tensor, "A D"]
    query_bias: Float[Tensor, " A"]
    key: Float[Tensor, "A D"]
    product: Float[Tensor, "A D"]
    out: Float[Tensor, " A"]
    out_bias: Float[Tensor, " 1"]


class FusedTargetAttention(torch.autograd.Function):
    """Each query's weighted sum of its keys; see `models.layers.attention.target_attention`."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, query: Tensor, table: Tensor, plan: Plan, normalisation: str, *weights: Tensor
    ) -> Tensor:
        """Return the sums ``[B, D]``; zeros for rows without keys."""
        unit = _Unit(query, table, plan, UnitWeights(*weights))
        attention = table.new_empty(plan.key_row.shape[0])
        result = table.new_empty(plan.order.shape[0], query.shape[1])

        def work(share: slice) -> None:
            rooms = _Rooms(unit)
            for block in plan.within(share):
                keys = rooms.keys(block)
                hidden = rooms.hidden(block, keys, rooms.matrix(block)).relu_()
                scores = torch.mv(hidden.flatten(0, 1), unit.weights.out).view(hidden.shape[:2])
                padding = unit.padding(block) if normalisation == "softmax" else None
                scores = _normalised(scores.add_(unit.weights.out_bias), padding, normalisation)
                attention[block.places] = scores.flatten()
                result[block.rows] = torch.bmm(scores[:, None], keys)[:, 0, :-1]

        unit.in_shares(work)
        ctx.save_for_backward(query, table, plan.order, plan.key_row, attention, *weights)
        ctx.blocks, ctx.normalisation = plan.blocks, normalisation
        return torch.zeros_like(query).index_copy_(0, plan.order, result)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of query, table and weights."""
        query, table, order, index, attention, *weights = ctx.saved_tensors
        plan = Plan(order, index, table.shape[0], ctx.blocks)
        unit = _Unit(query, table, plan, UnitWeights(*weights))
        gradient = gradients[0].index_select(0, order)
        sums = _Gradients(unit)

        def work(share: slice) -> _ShareGradients:
            found = _ShareGradients(unit, sums)
            for block in plan.within(share):
                shares = attention[block.places].view(-1, block.width)
                found.add(block, shares, gradient[block.rows], ctx.normalisation)
            return found

        sums.complete(unit.in_shares(work))
        of_query = torch.zeros_like(query).index_copy_(0, order, sums.of_query())
        of_table = sum_rows(sums.keys, index, table.shape[0] + 1)[:-1]
        return of_query, of_table, None, None, *sums.of_weights()


class _Unit:
    """The folded activation unit of a batch."""

    def __init__(self, query: Tensor, table: Tensor, plan: Plan, weights: UnitWeights) -> None:
        self.plan, self.weights = plan, weights
        self.query = query.index_select(0, plan.order)  # R D, in order of length
        self.bias = torch.addmm(weights.query_bias, self.query, weights.query.t())  # R A
        self.table = table.new_zeros(table.shape[0] + 1, table.shape[1] + 1)  # last row: padding
        self.table[:-1, :-1] = table
        self.table[:-1, -1] = 1.0  # what the bias in the last row of a matrix is multiplied by
        self.key, self.product = weights.key.t().contiguous(), weights.product.t().contiguous()

    def in_shares(self, work: Callable[[slice], Found]) -> list[Found]:
        """Return what ``work`` gives for each share of the places of the plan's keys."""
        if self.table.device.type != "cpu":
            return [work(slice(0, len(self.plan.key_row)))]
        return in_shares(work, len(self.plan.key_row), self.key.numel())

    def padding(self, block: Block) -> Bool[Tensor, "r w"]:
        """Return where the block is padded."""
        return (self.plan.key_row[block.places] == self.plan.padding).view(-1, block.width)


class _Rooms:
    """The memory that the blocks of one share use one after the other."""

    def __init__(self, unit: _Unit) -> None:
        self.unit, blocks = unit, unit.plan.blocks
        places = max((block.places.stop - block.start for block in blocks), default=0)
        rows = max((block.last - block.first for block in blocks), default=0)
        dim, width = unit.key.shape
        self._keys = unit.table.new_empty(places, dim + 1)
        self._hidden = unit.table.new_empty(places * width)
        self._matrix = unit.table.new_empty(rows * (dim + 1) * width)

    def keys(self, block: Block) -> Float[Tensor, "r w D1"]:
        """Return the keys, a one behind each; zeros for padding."""
        index = self.unit.plan.key_row[block.places]
        room = self._keys[: index.shape[0]]
        return torch.index_select(self.unit.table, 0, index, out=room).view(
            -1, block.width, room.shape[1]
        )

    def matrix(self, block: Block) -> Float[Tensor, "r D1 A"]:
        """Return W_k + W_p diag(q) of each row, transposed, its bias below."""
        unit, rows = self.unit, block.last - block.first
        dim, width = unit.key.shape
        matrix = self._matrix[: rows * (dim + 1) * width].view(rows, dim + 1, width)
        torch.addcmul(
            unit.key, unit.query[block.rows][..., None], unit.product, out=matrix[:, :dim]
        )
        matrix[:, dim] = unit.bias[block.rows]
        return matrix

    def hidden(self, block: Block, keys: Tensor, matrix: Tensor) -> Float[Tensor, "r w A"]:
        """Return the hidden layer before its ReLU."""
        shape = (keys.shape[0], block.width, matrix.shape[2])
        room = self._hidden[: shape[0] * shape[1] * shape[2]].view(shape)
        return torch.bmm(keys, matrix, out=room)


class _Gradients:
    """The gradients of a batch; blocks write theirs of keys, queries and biases in place."""

    def __init__(self, unit: _Unit) -> None:
        self.unit = unit
        dim, width = unit.key.shape
        self.keys = unit.table.new_empty(unit.plan.key_row.shape[0], dim)  # P D
        self.query = torch.empty_like(unit.query)  # R D, through the product alone
        self.bias = torch.empty_like(unit.bias)  # R A, of W_q q + b, over w_out
        self.matrix = unit.table.new_zeros(dim, 2, width)  # of W_k and of W_p, over w_out
        self.out_bias = unit.table.new_zeros(1)
        self.product = (unit.product * unit.weights.out)[..., None]  # D A 1

    def complete(self, shares: "Sequence[_ShareGradients]") -> None:
        """Add what the shares summed each for itself, in their order."""
        for share in shares:
            self.matrix += share.matrix
            self.out_bias += share.out_bias

    def of_query(self) -> Float[Tensor, "R D"]:
        """Return the gradient of the queries, in order of length."""
        weights = self.unit.weights
        return torch.addmm(self.query, self.bias * weights.out, weights.query)

    def of_weights(self) -> UnitWeights:
        """Return the gradients of the weights."""
        unit, (key, product) = self.unit, self.matrix.unbind(1)  # D A each
        out = (self.bias * unit.bias).sum(0)
        out += (key * unit.weights.key.t()).sum(0) + (product * unit.weights.product.t()).sum(0)
        bias = self.bias * unit.weights.out
        return UnitWeights(
            query=bias.t() @ unit.query,
            query_bias=bias.sum(0),
            key=(key * unit.weights.out).t(),
            product=(product * unit.weights.out).t(),
            out=out,
            out_bias=self.out_bias,
        )


class _ShareGradients:
    """What a share of the blocks adds to the gradients of a batch."""

    def __init__(self, unit: _Unit, whole: _Gradients) -> None:
        self.rooms, self.whole = _Rooms(unit), whole
        self.matrix, self.out_bias = (
            torch.zeros_like(whole.matrix),
            torch.zeros_like(whole.out_bias),
        )

    def add(self, block: Block, shares: Tensor, gradient: Tensor, normalisation: str) -> None:
        """Add what a block's rows contribute, ``gradient`` being theirs ``[r, D]``."""
        unit, dim = self.rooms.unit, gradient.shape[1]
        keys, matrix = self.rooms.keys(block), self.rooms.matrix(block)
        query, active = unit.query[block.rows], self.rooms.hidden(block, keys, matrix).gt_(0)
        of_shares = torch.bmm(keys[..., :dim], gradient[..., None]).squeeze(-1)
        scores = _score_gradient(of_shares, shares, normalisation)  # r w; zero on padding
        self.out_bias += scores.sum()
        matrix.mul_(unit.weights.out)
        of_keys = self.whole.keys[block.places].view(*shares.shape, dim)
        torch.bmm(active, matrix[:, :dim].transpose(1, 2), out=of_keys)
        of_keys.mul_(scores[..., None]).addcmul_(shares[..., None], gradient[:, None])
        of_matrix = torch.bmm(keys.mul_(scores[..., None]).transpose(1, 2), active, out=matrix)
        self.whole.bias[block.rows] = of_matrix[:, dim]
        of_columns = of_matrix[:, :dim].transpose(0, 1)  # D r A
        both = torch.stack([torch.ones_like(query), query]).permute(2, 0, 1).contiguous()  # D 2 r
        self.matrix += torch.bmm(both, of_columns)
        self.whole.query[block.rows] = torch.bmm(of_columns, self.whole.product).squeeze(-1).t()


def _normalised(scores: Tensor, padding: Tensor | None, normalisation: str) -> Float[Tensor, "r w"]:
    """Return the weights of the keys; the keys of padding are zero, so a softmax alone minds it."""
    if padding is not None:
        return torch.softmax(scores.masked_fill_(padding, float("-inf")), dim=-1)
    return scores.sigmoid_() if normalisation == "sigmoid" else scores


def _score_gradient(gradient: Tensor, shares: Tensor, normalisation: str) -> Float[Tensor, "r w"]:
    """Return the gradient of the scores from that of their normalised form."""
    if normalisation == "softmax":
        return shares * (gradient - (shares * gradient).sum(-1, keepdim=True))
    return gradient * shares * (1 - shares) if normalisation == "sigmoid" else gradient
