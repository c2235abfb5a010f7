"""Gated recurrent units over histories of unequal length: GRU, and DIEN's AUGRU.

A padded recurrence computes every row to the length of the longest. Here rows are sorted by length
and laid out step by step, so that step ``t`` works on the rows that have a ``t``-th behaviour and
on no others; what does not depend on the state is one matrix product for all steps together; and
the recurrence is one autograd function with its backward written out, a few operations a step.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.layers.lookup import take_rows

# Values laid out step by step have one axis, ``T``: all behaviours of the batch.


@dataclass(frozen=True, slots=True)
class StepLayout:
    """Where the behaviours of a batch lie when they are laid out step by step.

    The longest rows come first, so the rows alive at a step are always the first ones.

    Attributes:
        order: Row of the batch at each rank, by falling length; rows without behaviours come last.
        alive: Number of rows that have a ``t``-th behaviour, of each step ``t``.
        mask: Whether the row of a rank has a ``t``-th behaviour; ranks without any are left out.
        index: Where each behaviour stands among the histories one after another.
        rows: Row of the batch of each behaviour.
    """

    order: Int[Tensor, " B"]
    alive: tuple[int, ...]
    mask: Bool[Tensor, "S R"]  # S steps, R ranks with a behaviour
    index: Int[Tensor, " T"]
    rows: Int[Tensor, " T"]

    @classmethod
    def of(cls, offsets: Int[Tensor, " B1"]) -> "StepLayout":
        """Return the layout of histories that lie one after another.

        Args:
            offsets: Where each history starts, and the end of the last one.
        """
        lengths, order = offsets.diff().sort(descending=True, stable=True)
        ranks = int((lengths > 0).sum())
        longest = int(lengths[0]) if ranks else 0
        steps = torch.arange(longest, device=offsets.device)[:, None]
        mask = steps < lengths[:ranks]  # S R
        index = (offsets[:-1][order[:ranks]] + steps)[mask]
        rows = order[:ranks].expand(longest, -1)[mask]
        return cls(order, tuple(mask.sum(-1).tolist()), mask, index, rows)

    def grid(self, values: Float[Tensor, " T"], fill: float) -> Float[Tensor, "S R"]:
        """Return values laid out step by step as a grid, ``fill`` where there is no behaviour."""
        return values.new_full(self.mask.shape, fill).masked_scatter(self.mask, values)

    def last(self, states: Float[Tensor, "T H"]) -> Float[Tensor, "B H"]:
        """Return the state after each row's last behaviour; zeros for a row without any."""
        rows, ranks = self.order.shape[0], self.mask.shape[1]
        steps = self.mask.sum(0) - 1  # R
        starts = torch.tensor((0, *self.alive[:-1]), device=steps.device).cumsum(0)
        positions = starts[steps] + torch.arange(ranks, device=steps.device)
        final = states.new_zeros(rows, states.shape[-1])
        return final.index_copy(0, self.order[:ranks], take_rows(states, positions))

    def repeated(self, times: int) -> "StepLayout":
        """Return the layout of one row repeated: each behaviour ``times`` times in a row."""
        order = torch.arange(times, device=self.order.device)
        mask = self.mask.expand(-1, times * self.mask.shape[1])
        rows = order.expand(mask.shape[0], -1).flatten() if mask.numel() else order[:0]
        alive = tuple(times * count for count in self.alive)
        return StepLayout(order, alive, mask, self.index.repeat_interleave(times), rows)


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
            states = _Recurrence.apply(
                inputs.to(kind), weight, self.input_weight, self.state_weight, self.bias,
                layout.alive,
            )  # fmt: skip
        return states.t()


class _Recurrence(torch.autograd.Function):
    """The recurrence of `GRU`, features × behaviours: what a gate is lies in one piece.

    ``gates`` holds ``c``, ``u``, ``r`` and ``p = U^c h`` below one another. Backward lays their
    gradients out alike, so that the input's share is rows ``c u r`` and the state's rows ``u r p``,
    each one matrix product; and it prepares every factor that is known before the loop.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        inputs: Tensor,
        attention: Tensor | None,
        input_weight: Tensor,
        state_weight: Tensor,
        bias: Tensor,
        alive: tuple[int, ...],
    ) -> Tensor:
        hidden, total = state_weight.shape[1], inputs.shape[0]
        gates = inputs.new_empty(4 * hidden, total)
        torch.addmm(bias[:, None], input_weight, inputs.t(), out=gates[: 3 * hidden])
        gates[3 * hidden :] = 0.0
        states = inputs.new_empty(hidden, total)
        previous, start = inputs.new_zeros(hidden, alive[0] if alive else 0), 0
        for rows in alive:
            now, state = gates[:, start : start + rows], states[:, start : start + rows]
            previous = previous[:, :rows]
            now[hidden:].addmm_(state_weight, previous)
            candidate, update, reset, product = now.view(4, hidden, rows).unbind(0)
            now[hidden : 3 * hidden].sigmoid_()
            candidate.addcmul_(reset, product).tanh_()
            if attention is not None:
                update = update * attention[start : start + rows]
            torch.lerp(previous, candidate, update, out=state)
            previous, start = state, start + rows
        ctx.save_for_backward(inputs, attention, input_weight, state_weight, gates, states)
        ctx.alive = alive
        return states

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        inputs, attention, input_weight, state_weight, gates, states = ctx.saved_tensors
        hidden = state_weight.shape[1]
        before = _before(states, ctx.alive)
        candidate, update, reset, product = gates.view(4, hidden, -1).unbind(0)
        towards = candidate - before  # H T: how far the update gate can move the state
        used = update if attention is None else update * attention
        factors = torch.stack(
            [
                used * (1.0 - candidate.square()),  # of c
                towards * used * (1.0 - update),  # of u
                product * reset * (1.0 - reset),  # of r, given that of c
                reset,  # of p, given that of c
            ]
        )  # 4 H T
        flowing, slopes = _flow_back(gradients[0], factors, 1.0 - used, state_weight, ctx.alive)
        slopes = slopes.view(4 * hidden, -1)
        from_inputs = slopes[: 3 * hidden]
        return (
            torch.mm(from_inputs.t(), input_weight),
            None if attention is None else (flowing * towards * update).sum(0),
            torch.mm(from_inputs, inputs),
            torch.mm(slopes[hidden:], before.t()),
            from_inputs.sum(1),
            None,
        )


def _before(states: Tensor, alive: tuple[int, ...]) -> Tensor:
    """Return the state before every behaviour."""
    parts, start = [states.new_zeros(states.shape[0], alive[0] if alive else 0)], 0
    for rows, later in pairwise(alive):
        parts.append(states[:, start : start + later])
        start += rows
    return torch.cat(parts, dim=1)


def _flow_back(
    gradient: Tensor, factors: Tensor, kept: Tensor, state_weight: Tensor, alive: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Return the whole gradient of every state, and that of every gate before its squashing."""
    flowing = gradient.contiguous().clone()  # H T
    slopes = torch.empty_like(factors)  # 4 H T
    hidden, back = kept.shape[0], state_weight.t()
    later, end = flowing.new_empty(hidden, 0), flowing.shape[1]
    for rows in reversed(alive):
        here = slice(end - rows, end)
        now = flowing[:, here]
        now[:, : later.shape[1]].add_(later)
        torch.mul(now, factors[:2, :, here], out=slopes[:2, :, here])
        torch.mul(slopes[0, :, here], factors[2:, :, here], out=slopes[2:, :, here])
        later = (now * kept[:, here]).addmm_(back, slopes[1:, :, here].view(-1, rows))
        end -= rows
    return flowing, slopes
