from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.ctr.base import Stage
from models.ctr.config import TrainingConfig
from models.ctr.din import DIN, DINConfig
from models.data.batch import Batch
from models.layers.attention import Normalisation
from models.training.optimizers import make_optimizer
from tests.models.ctr.reference_din import (
    Number,
    attention,
    backward,
    cross_entropy,
    first_adam_step,
    linear,
)
from tests.models.training.synthetic import Dataset


def test_the_trigger_is_an_input_unless_switched_off(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    untriggered = replace(batch, trigger_item=torch.zeros_like(batch.trigger_item))
    differs = {}
    for use_trigger in (True, False):
        model = DIN(DINConfig(use_trigger=use_trigger), dataset.catalogue).eval()
        differs[use_trigger] = bool((model(batch) != model(untriggered)).any())
    assert differs == {True: True, False: False}


def test_din_needs_neither_content_nor_intents(dataset: Dataset) -> None:
    bare = replace(dataset.catalogue, content=None, content_mean=None, intent_edges=None)
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    assert DIN(DINConfig(), bare)(batch).isfinite().all()


def test_the_heads_default_is_that_of_the_paper() -> None:
    # DAIAN 5.1: "a three-layer MLP network with 512, 256, and 128 hidden units. The hidden units
    # in each attention layer of the models are configured to 128".
    assert (DINConfig().head, DINConfig().attention_hidden) == ((512, 256, 128), 128)


def numbers(values: list) -> list:
    """Nested lists of floats as lists of `Number`."""
    return [numbers(v) if isinstance(v, list) else Number(v) for v in values]


def flat(values: list) -> list[Number]:
    return [n for v in values for n in (flat(v) if isinstance(v, list) else [v])]


def logits_by_loops(
    weights: dict, dataset: Dataset, batch: Batch, normalisation: str
) -> list[Number]:
    """The model on ids, side fields, histories without padding, unknown ids and all."""
    starts = [0]
    for field in dataset.catalogue.spec.item_fields:
        starts.append(starts[-1] + field.size - 1)
    of_users = dataset.catalogue.spec.user_fields
    of_contexts = dataset.catalogue.spec.context_fields
    assert len(of_users) == len(of_contexts) == 1

    def field(table: str, code: int, start: int = 0) -> list[Number]:
        return weights[table][code + start if code else 0]

    def item(code: int) -> list[Number]:
        codes = dataset.catalogue.item_fields[code].tolist()
        sides = [
            n
            for c, start in zip(codes, starts, strict=False)
            for n in field("items.fields.table.weight", c, start)
        ]
        return [*weights["items.ids.weight"][code], *sides]

    found = []
    for row in range(batch.size):
        history = batch.history[row][batch.history_mask[row]].tolist()
        target = item(int(batch.target_item[row]))
        x = [
            *weights["user.ids.weight"][int(batch.user[row])],
            *field("user.fields.table.weight", int(batch.user_fields[row, 0])),
            *field("user.context.table.weight", int(batch.context_fields[row, 0])),
            *target,
            *attention(weights, target, [item(code) for code in history], normalisation),
            *item(int(batch.trigger_item[row])),
        ]
        for layer in (0, 2):
            x = linear(weights[f"head.{layer}.weight"], weights[f"head.{layer}.bias"], x)
            x = [n.relu() for n in x]
        found += linear(weights["head.4.weight"], weights["head.4.bias"], x)
    return found


@pytest.mark.parametrize("normalisation", ["none", "softmax"])
@pytest.mark.parametrize("native", ["0", "1"])
def test_logits_gradients_and_a_step_are_those_of_plain_loops(
    native: str, normalisation: Normalisation, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In float64 by torch, in float32 by the native kernel where there is one.
    monkeypatch.setenv("INTENTFLOW_NATIVE", native)
    dtype, tolerance = (torch.float64, 1e-9) if native == "0" else (torch.float32, 2e-4)
    torch.manual_seed(3)
    config = DINConfig(
        embedding_dim=2, head=(4, 3), attention_hidden=3, normalisation=normalisation
    )
    model = DIN(config, dataset.catalogue)
    model = model.to(dtype)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(std=0.5)
            if name.endswith(("ids.weight", "table.weight")):
                weight[0] = 0.0
    length = dataset.store.history_length(np.arange(dataset.store.num_examples))
    rows = np.r_[np.flatnonzero(length == 0)[:1], np.arange(900, 907), [903]]
    batch = dataset.store.gather(rows)
    batch = replace(batch, target_item=batch.target_item.clone().index_fill_(0, torch.tensor(2), 1))
    weights = {name: numbers(weight.tolist()) for name, weight in model.named_parameters()}
    expected = logits_by_loops(weights, dataset, batch, normalisation)
    loss = cross_entropy(expected, batch.label.tolist())
    backward(loss)

    optimizer = make_optimizer(Stage("joint"), model, TrainingConfig(learning_rate=0.01))
    logits = model(batch)
    F.binary_cross_entropy_with_logits(logits, batch.label.to(dtype)).backward()
    optimizer.step()

    def close(got: torch.Tensor, want: list[float], scale: float = 1.0) -> None:
        wanted = torch.tensor(want, dtype=dtype).view_as(got)
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=scale * tolerance)

    close(logits.detach(), [n.value for n in expected])
    for name, weight in model.named_parameters():
        known = flat(weights[name])
        if name.endswith(("ids.weight", "table.weight")):
            for n in weights[name][0]:
                n.gradient = 0.0  # padding never learns
        assert weight.grad is not None
        close(weight.grad.to_dense(), [n.gradient for n in known])
        if (
            native == "0"
        ):  # a first step divides by the gradient's size: float32 cannot tell tiny ones
            close(weight.detach(), [first_adam_step(n.value, n.gradient, 0.01) for n in known])
