"""Gated recurrent units over histories of unequal length: GRU, and DIEN's AUGRU.

A padded recurrence computes every row to the length of the longest. Here rows are sorted by length
and laid out in blocks, step by step within a block, so that a step works on the rows that have a
behaviour there and on no others; what does not depend on the state is one matrix product for all
steps of a block; and the recurrence is one autograd function with its backward written out, a few
operations a step, on buffers that stay in the cache.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.layers.lookup import take_rows
from models.layers.shares import single_operations

BLOCK_ROWS = 1024
STEP_WORK = 8_000_000  # multiplications of a step that are worth waking another thread for
# Values laid out step by step have one axis, ``T``: all behaviours of the batch.


@dataclass(frozen=True, slots=True)
class StepLayout:
    """Where the behaviours of a batch lie when they are laid out step by step.

    The longest rows come first, so the rows of a block alive at a step are always its first ones.

    Attributes:
        alive: Of each block, the number of rows that have a ``t``-th behaviour, for every ``t``.
        mask: Whether the ``k``-th row of a block has a ``t``-th behaviour.
        order: Row of the batch at each rank, by falling length; block after block.
        index: Where each behaviour stands among the histories one after another.
        rows: Row of the batch of each behaviour.
    """

    alive: tuple[tuple[int, ...], ...]
    mask: Bool[Tensor, "blocks S K"]
    order: Int[Tensor, " B"]
    index: Int[Tensor, " T"]
    rows: Int[Tensor, " T"]

    @classmethod
    def of(cls, offsets: Int[Tensor, " B1"], block_rows: int = BLOCK_ROWS) -> "StepLayout":
        """Return the layout of histories that lie one after another.

        Args:
            offsets: Where each history starts, and the end of the last one.
            block_rows: Rows of a block: about a thousand keep its buffers in the cache.
        """
        lengths, order = offsets.diff().sort(descending=True, stable=True)
        longest = int(lengths[0]) if len(lengths) else 0
        blocks = -(-len(lengths) // block_rows)
        width = min(block_rows, len(lengths))
        padding = (0, blocks * width - len(lengths))
        by_block = nn.functional.pad(lengths, padding).view(blocks, 1, width)
        steps = torch.arange(longest, device=offsets.device)[:, None]
        mask = steps < by_block  # blocks S K
        alive = tuple(tuple(filter(None, counts)) for counts in mask.sum(-1).tolist())
        rows = nn.functional.pad(order, padding).view(blocks, 1, width).expand_as(mask)[mask]
        places = steps.expand_as(mask)[mask]
        return cls(alive, mask, order, offsets[rows] + places, rows)

    def starts(self) -> Int[Tensor, "blocks S 1"]:
        """Return where each step of each block starts among the behaviours."""
        counts = self.mask.sum(-1)
        return (counts.flatten().cumsum(0).view_as(counts) - counts)[..., None]

    def softmax(self, scores: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        """Return the softmax of the scores over the behaviours of each row."""
        lowest = torch.finfo(scores.dtype).min
        grid = scores.new_full(self.mask.shape, lowest).masked_scatter(self.mask, scores)
        return torch.softmax(grid, dim=1)[self.mask]

    def last(self, states: Float[Tensor, "T H"]) -> Float[Tensor, "B H"]:
        """Return the state after each row's last behaviour; zeros for a row without any."""
        ranks = torch.arange(self.mask.shape[2], device=self.mask.device)
        ends = self.mask.clone()
        ends[:, :-1] &= ~self.mask[:, 1:]
        ending = ends.any(1)  # blocks K: rows with a behaviour, which are the first ranks
        positions = ((self.starts() + ranks) * ends).sum(1)[ending]
        final = states.new_zeros(len(self.order), states.shape[-1])
        return final.index_copy(0, self.order[: len(positions)], take_rows(states, positions))

    def successions(self) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
        """Return all pairs of behaviours that follow each other, as positions."""
        places = self.starts() + torch.arange(self.mask.shape[2], device=self.mask.device)
        followed = self.mask[:, 1:]
        return places[:, :-1][followed], places[:, 1:][followed]


class GRU(nn.Module):
    """Gated recurrent unit, and with attention DIEN's AUGRU ("Interest Evolving Layer").

    ``u = σ(W^u x + U^u h + b^u)``, ``r = σ(W^r x + U^r h + b^r)``,
    ``c = tanh(W^c x + r ∘ U^c h + b^c)``, ``h' = (1 - u) ∘ h + u ∘ c``. With attention ``a``, the
    update gate is ``a · u``: a behaviour that does not matter to the target leaves the state as it
    is, whatever the gate says of its dimensions.

    Args:
        inputs: Width of the inputs.
        hidden: Width of the state.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.input_weight = nn.Parameter(torch.empty(3 * hidden, inputs))  # W^c, W^u, W^r
        self.state_weight = nn.Parameter(torch.empty(3 * hidden, hidden))  # U^u, U^r, U^c
        self.bias = nn.Parameter(torch.zeros(3 * hidden))  # b^c, b^u, b^r
        for weight in (self.input_weight, self.state_weight):
            for gate in weight.detach().chunk(3):
                nn.init.xavier_uniform_(gate)

    def forward(
        self,
        inputs: Float[Tensor, "T D"],
        layout: StepLayout,
        attention: Float[Tensor, " T"] | None = None,
    ) -> Float[Tensor, "T H"]:
        """Return the state after every behaviour, the first one coming from zeros.

        Args:
            inputs: The behaviours, step by step.
            layout: Which of them are whose.
            attention: Weight of every behaviour; ``None`` is the plain GRU.
        """
        kind = self.bias.dtype
        weight = None if attention is None else attention.to(kind)
        with torch.autocast(inputs.device.type, enabled=False):  # half precision drifts over steps
            states: Tensor = _Recurrence.apply(
                inputs.to(kind), weight, self.input_weight, self.state_weight, self.bias,
                layout.alive,
            )  # pyright: ignore  # fmt: skip
        return states


class _Recurrence(torch.autograd.Function):
    """The recurrence of `GRU`, block by block, features × behaviours within a block.

    Of a block, ``c``, ``u``, ``r`` and ``p = U^c h`` lie below one another. The backward has them
    again from the states, all steps at once, which costs less than keeping them; it lays their
    gradients out alike, so that the inputs' share is rows ``c u r`` and the state's rows ``u r p``,
    each one matrix product, and prepares every factor that is known before its loop.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        inputs: Tensor,
        attention: Tensor | None,
        input_weight: Tensor,
        state_weight: Tensor,
        bias: Tensor,
        alive: tuple[tuple[int, ...], ...],
    ) -> Tensor:
        states = inputs.new_empty(inputs.shape[0], state_weight.shape[1])
        end = 0
        with single_operations(_is_little(alive, state_weight)):
            for counts in alive:
                here = slice(end, end := end + sum(counts))
                weights = None if attention is None else attention[here]
                gates = _input_share(inputs[here], input_weight, bias)
                states[here] = _run(gates, weights, state_weight, counts).t()
        ctx.save_for_backward(inputs, attention, input_weight, state_weight, bias, states)
        ctx.alive = alive
        return states

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        inputs, attention, input_weight, state_weight, bias, states = ctx.saved_tensors
        hidden, end = state_weight.shape[1], 0
        to_inputs = torch.empty_like(inputs)
        to_attention = inputs.new_empty(len(inputs))
        totals = [torch.zeros_like(weight) for weight in (input_weight, state_weight, bias)]
        with single_operations(_is_little(ctx.alive, state_weight)):
            for counts in ctx.alive:
                here = slice(end, end := end + sum(counts))
                weights = None if attention is None else attention[here]
                before = _before(states[here].t(), counts)
                gates = _input_share(inputs[here], input_weight, bias)
                slopes, slope = _block_back(
                    gates, before, weights, gradients[0][here].t(), state_weight, counts
                )
                from_inputs = slopes[: 3 * hidden]
                torch.mm(from_inputs.t(), input_weight, out=to_inputs[here])
                if slope is not None:
                    to_attention[here] = slope
                totals[0].addmm_(from_inputs, inputs[here])
                totals[1].addmm_(slopes[hidden:], before.t())
                totals[2] += from_inputs.sum(1)
        return (to_inputs, None if attention is None else to_attention, *totals, None)


def _input_share(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the gates of a block as far as the inputs decide them; zeros for ``p``."""
    gates = inputs.new_empty(4 * len(bias) // 3, len(inputs))
    torch.addmm(bias[:, None], weight, inputs.t(), out=gates[: len(bias)])
    gates[len(bias) :] = 0.0
    return gates


def _run(
    gates: Tensor, attention: Tensor | None, state_weight: Tensor, alive: tuple[int, ...]
) -> Tensor:
    """Return the states of a block; its gates are completed on the way."""
    hidden, start = state_weight.shape[1], 0
    states = gates.new_empty(hidden, gates.shape[1])
    previous = gates.new_zeros(hidden, max(alive, default=0))
    candidate, update, reset, product = gates.view(4, hidden, -1).unbind(0)
    for rows in alive:
        here = slice(start, start + rows)
        previous = previous[:, :rows]
        gates[hidden:, here].addmm_(state_weight, previous)
        gates[hidden : 3 * hidden, here].sigmoid_()
        candidate[:, here].addcmul_(reset[:, here], product[:, here]).tanh_()
        gate = update[:, here]
        if attention is not None:
            gate = gate * attention[here]
        previous = torch.lerp(previous, candidate[:, here], gate, out=states[:, here])
        start += rows
    return states


def _is_little(alive: tuple[tuple[int, ...], ...], state_weight: Tensor) -> bool:
    """Return whether steps are so short that waking other threads would take longer."""
    rows = max((max(one, default=0) for one in alive), default=0)
    return rows * state_weight.numel() < STEP_WORK


def _block_back(
    gates: Tensor,
    before: Tensor,
    attention: Tensor | None,
    gradient: Tensor,
    state_weight: Tensor,
    alive: tuple[int, ...],
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of a block's gates before their squashing, and of the attention."""
    hidden = state_weight.shape[1]
    gates[hidden:].addmm_(state_weight, before)
    gates[hidden : 3 * hidden].sigmoid_()
    candidate, update, reset, product = gates.view(4, hidden, -1).unbind(0)
    candidate.addcmul_(reset, product).tanh_()
    towards = candidate - before  # how far the update gate can move the state
    used = update if attention is None else update * attention
    factors = gates.new_empty(4, *before.shape)  # of c, of u; of r and of p, given that of c
    torch.addcmul(used, used, candidate.square_(), value=-1.0, out=factors[0])
    moving, returning = towards * used, product.mul_(reset)
    torch.addcmul(moving, moving, update, value=-1.0, out=factors[1])
    torch.addcmul(returning, returning, reset, value=-1.0, out=factors[2])
    factors[3] = reset
    flowing, slopes = _flow_back(gradient, factors, used, state_weight, alive)
    moved = None if attention is None else (towards.mul_(update).mul_(flowing)).sum(0)
    return slopes.view(4 * hidden, -1), moved


def _before(states: Tensor, alive: tuple[int, ...]) -> Tensor:
    """Return the state before every behaviour of a block."""
    parts, start = [states.new_zeros(states.shape[0], max(alive, default=0))], 0
    for rows, later in pairwise(alive):
        parts.append(states[:, start : start + later])
        start += rows
    return torch.cat(parts, dim=1)


def _flow_back(
    gradient: Tensor, factors: Tensor, used: Tensor, state_weight: Tensor, alive: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Return the whole gradient of every state, and that of every gate before its squashing."""
    flowing = gradient.clone(memory_format=torch.contiguous_format)  # H T
    slopes = torch.empty_like(factors)  # 4 H T
    back = state_weight.t()
    later, end = flowing.new_empty(used.shape[0], 0), flowing.shape[1]
    for rows in reversed(alive):
        here = slice(end - rows, end)
        now = flowing[:, here]
        now[:, : later.shape[1]].add_(later)
        torch.mul(now, factors[:2, :, here], out=slopes[:2, :, here])
        torch.mul(slopes[0, :, here], factors[2:, :, here], out=slopes[2:, :, here])
        later = torch.addcmul(now, now, used[:, here], value=-1.0)
        later.addmm_(back, slopes[1:, :, here].view(-1, rows))
        end -= rows
    return flowing, slopes
