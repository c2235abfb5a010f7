"""Adam and AdaGrad that, of an embedding table, update the rows a batch looked up and no others.

A row that a batch repeats is updated once, by the sum of its gradients. Where every row is looked
up, a step equals PyTorch's. Where not, two things differ from a dense Adam, on purpose: a row that
is not looked up keeps its moments and is not moved by them (bias is corrected by the number of all
steps, not of the row's own), and decay shrinks only the rows that are looked up.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim.optimizer import Optimizer

from models.layers.lookup import distinct, sum_rows


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

    def _update(self, group: dict[str, Any], table: Tensor, gradient: Tensor) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
        state["step"] += 1
        rows, values = summed_rows(gradient)
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
