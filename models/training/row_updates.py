"""Adam and AdaGrad at the cost of the rows of an embedding table that a batch looks up.

A row that a batch repeats is updated once, by the sum of its gradients. In Adam a row that is not
looked up is still moved by its momentum: those steps are made up for together when it is looked up
next (`follow`) or when all rows are wanted (`settle`), so that training goes as with a dense Adam.
AdaGrad has no momentum to miss. Decay shrinks a row in the steps that look it up.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from models.layers.lookup import distinct, sum_rows

REACH = 128  # steps after which nothing of a moment is left: (β1 / √β2)^128 = 1.5e-6
_ROOM = 1024


class RowAdamW(torch.optim.AdamW):
    """AdamW (decoupled decay), by rows where the gradient is sparse."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; the closure, if there is one, computes the loss."""
        tables = _set_aside_sparse(self)
        loss = super().step(closure)
        for group, table, gradient in tables:
            self._update(group, table, gradient)
            table.grad = gradient
        return loss

    @torch.no_grad()
    def settle(self, table: Tensor, rows: Int[Tensor, " n"] | None = None) -> None:
        """Move distinct rows of a table, or all of them, by what they missed since their lookup.

        The rate is that of the moment, as if it had not changed since.
        """
        state = self.state.get(table, {})
        if "settled" not in state:
            return
        settled = state["settled"] if rows is None else state["settled"][rows]
        late = (settled < state["step"]).nonzero().squeeze(-1)
        if not len(late):
            return
        chosen = late if rows is None else rows[late].long()
        group = next(g for g in self.param_groups if any(one is table for one in g["params"]))
        step, (beta1, beta2) = int(state["step"].item()), group["betas"]
        gone = _course(beta1, beta2, _ROOM << (step // _ROOM).bit_length(), table.device)
        last = settled[late].long()
        gain, of_mean, of_square = gone.between(last, step)
        mean, square = (state[name].index_select(0, chosen) for name in ("exp_avg", "exp_avg_sq"))
        scale = square.sqrt().add_(group["eps"] * math.sqrt(1 - beta2**step))
        move = torch.div(mean, scale, out=scale).mul_(gain.to(scale.dtype)[:, None])
        table.index_add_(0, chosen, move, alpha=-group["lr"])
        for name, values, left in (("exp_avg", mean, of_mean), ("exp_avg_sq", square, of_square)):
            state[name].index_copy_(0, chosen, values.mul_(left.to(values.dtype)[:, None]))
        state["settled"].index_fill_(0, chosen, step)

    def _update(self, group: dict[str, Any], table: Tensor, gradient: Tensor) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
            state["settled"] = table.new_zeros(table.shape[0])  # the step each row has come to
        rows, values = summed_rows(gradient)
        self.settle(table, rows)
        state["step"] += 1
        step, (beta1, beta2), rate = state["step"].item(), group["betas"], group["lr"]
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, rows)
        square.mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        scale = square.sqrt_().div_(math.sqrt(1 - beta2**step)).add_(group["eps"])
        weights = table.index_select(0, rows).mul_(1 - rate * group["weight_decay"])
        weights.addcdiv_(mean, scale, value=-rate / (1 - beta1**step))
        table.index_copy_(0, rows, weights)
        state["settled"].index_fill_(0, rows, step)


class _Course(NamedTuple):
    """How far moments carry a row that gets no more gradients, and what is left of them.

    Attributes:
        ahead: By step t, the way from there to the end, in units of rate · mean / √square:
            ``Σ_j (β1 / √β2)^j √(1 - β2^(t + j)) / (1 - β1^(t + j))``, j = 1, 2 …
        shares: By number of steps k: (β1 / √β2)^k, β1^k and β2^k.
    """

    ahead: Float[Tensor, " T"]
    shares: Float[Tensor, "3 T"]

    def between(
        self, last: Int[Tensor, " n"], step: int
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return the way from each row's last step to ``step``, and what is left of its moments."""
        of_way, of_mean, of_square = self.shares[:, step - last]
        return self.ahead[last] - of_way * self.ahead[step], of_mean, of_square


@lru_cache(maxsize=4)
def _course(beta1: float, beta2: float, steps: int, device: torch.device) -> _Course:
    """Return the course of moments up to step ``steps`` - 1."""
    step = torch.arange(steps + REACH, dtype=torch.float64)
    ratio = beta1 / math.sqrt(beta2)
    corrected = (1 - beta2**step).sqrt() / (1 - beta1**step)  # NaN at step 0, which none reads
    ahead = torch.zeros(steps, dtype=torch.float64)
    for later in range(1, REACH + 1):
        ahead += ratio**later * corrected[later : later + steps]
    powers = torch.tensor([ratio, beta1, beta2], dtype=torch.float64)
    return _Course(ahead.to(device), (powers[:, None] ** step[:steps]).to(device))


@contextmanager
def follow(model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
    """Settle the rows of every table before they are looked up in training, all at the end."""
    if not isinstance(optimizer, RowAdamW):
        yield
        return
    tables = [one for one in model.modules() if isinstance(one, nn.Embedding) and one.sparse]

    def before(table: nn.Module, codes: tuple[Tensor, ...]) -> None:
        if table.training and isinstance(table, nn.Embedding):
            optimizer.settle(table.weight, distinct(codes[0].flatten(), table.num_embeddings)[0])

    uncompiled: Any = torch.compiler.disable(before)
    hooks = [table.register_forward_pre_hook(uncompiled) for table in tables]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for table in tables:
            optimizer.settle(table.weight)


class RowAdagrad(torch.optim.Adagrad):
    """AdaGrad (decay added to the gradient), by rows where the gradient is sparse."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; the closure, if there is one, computes the loss."""
        tables = _set_aside_sparse(self)
        loss = super().step(closure)
        for group, table, gradient in tables:
            self._update(group, table, gradient)
            table.grad = gradient
        return loss

    def _update(self, group: dict[str, Any], table: Tensor, gradient: Tensor) -> None:
        state = self.state[table]
        state["step"] += 1
        rows, values = summed_rows(gradient)
        weights = table.index_select(0, rows)
        if group["weight_decay"]:
            values = values.add(weights, alpha=group["weight_decay"])
        squares = state["sum"].index_select(0, rows).addcmul_(values, values)
        state["sum"].index_copy_(0, rows, squares)
        rate = group["lr"] / (1 + (state["step"].item() - 1) * group["lr_decay"])
        weights.addcdiv_(values, squares.sqrt_().add_(group["eps"]), value=-rate)
        table.index_copy_(0, rows, weights)


def summed_rows(
    gradient: Float[Tensor, "N D"],
) -> tuple[Int[Tensor, " n"], Float[Tensor, "n D"]]:
    """Return the rows of a sparse gradient, each once, and the sum of its values in each."""
    rows, values = gradient._indices()[0], gradient._values()
    found, place = distinct(rows, gradient.shape[0])
    if len(found) == len(rows):
        return rows, values
    return found, sum_rows(values, place, len(found))


def _set_aside_sparse(optimizer: Optimizer) -> list[tuple[dict[str, Any], Tensor, Tensor]]:
    """Take the sparse gradients from their parameters; return each with its group."""
    found = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter.grad.is_sparse:
                found.append((group, parameter, parameter.grad))
                parameter.grad = None
    return found
