"""The optimizer of a stage: which parameters learn, at which rate, with which decay."""

from collections.abc import Iterable

import torch
from torch import nn

from models.ctr.base import Stage
from models.ctr.config import TrainingConfig
from models.errors import TrainingError
from models.training.row_updates import RowAdagrad, RowAdamW, summed_rows

_EMBEDDING_TYPES = (nn.Embedding, nn.EmbeddingBag)


def freeze_outside(stage: Stage, model: nn.Module) -> None:
    """Let exactly the stage's parameters require gradients.

    Raises:
        TrainingError: no parameter has one of the stage's prefixes.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(stage.train))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(
            f"Stage {stage.name!r} trains no parameter.",
            where=f"prefixes {stage.train}",
            do="Give prefixes of the model's parameter names: see docs/how-to/add-a-model.md.",
        )


def make_optimizer(stage: Stage, model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer of the parameters that require gradients.

    Adam's decay is decoupled (AdamW); AdaGrad adds it to the gradient. Of an embedding table only
    the rows a batch looked up are updated, and only those decay: see `models.training.row_updates`.
    """
    tables = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, _EMBEDDING_TYPES)
        for parameter in module.parameters(recurse=False)
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = _decay(parameter, id(parameter) in tables, config)
            groups.setdefault((learning_rate_scale(stage, name), decay), []).append(parameter)
    arguments = [
        {"params": parameters, "lr": config.learning_rate * scale, "weight_decay": decay}
        for (scale, decay), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]
    if config.optimizer == "adagrad":
        return RowAdagrad(
            arguments, initial_accumulator_value=config.initial_accumulator, foreach=True
        )
    return RowAdamW(arguments, fused=True)


def learning_rate_scale(stage: Stage, name: str) -> float:
    """Return the factor on a parameter's learning rate: that of the longest matching prefix."""
    matching = [prefix for prefix in stage.lr_scale if name.startswith(prefix)]
    return stage.lr_scale[max(matching, key=len)] if matching else 1.0


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> None:
    """Scale the gradients down to a global norm of ``limit``, if there is one."""
    if limit is None:
        return
    values = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            rows, summed = summed_rows(gradient)
            parameter.grad = torch.sparse_coo_tensor(
                rows[None].long(), summed, gradient.shape, check_invariants=False
            )
            values.append(summed)
        elif gradient is not None:
            values.append(gradient)
    scale = (limit / (nn.utils.get_total_norm(values) + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(scale)


def _decay(parameter: nn.Parameter, is_table: bool, config: TrainingConfig) -> float:
    if is_table:
        return config.embedding_l2
    return config.weight_decay if parameter.ndim > 1 else 0.0
