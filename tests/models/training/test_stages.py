from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ctr.base import Stage
from models.errors import TrainingError
from models.training.stages import intent_divergence, stage_batch, stage_rows
from tests.models.training.synthetic import Dataset

CLICK = Stage("joint")
INTENT = Stage("uim", loss="intent_kl", monitor="valid/intent_kl")
TRUE_INTENT = Stage("die", true_intent=True)


def test_a_click_stage_has_every_row_and_reads_no_intent(dataset: Dataset) -> None:
    rows = stage_rows(CLICK, dataset.store, None, "train")
    assert np.array_equal(rows, dataset.store.rows("train"))
    assert stage_batch(CLICK, dataset.store, dataset.intents, rows[:5]).intent is None


def test_the_intent_loss_has_one_row_of_each_request_with_a_click(dataset: Dataset) -> None:
    rows = stage_rows(INTENT, dataset.store, dataset.intents, "train")
    requests = np.asarray(dataset.store.request)[rows].tolist()
    train = dataset.store.rows("train")
    of_train = set(np.asarray(dataset.store.request)[train].tolist())
    with_click = set(np.flatnonzero(dataset.intents.has_intent).tolist())
    assert sorted(requests) == sorted(of_train & with_click)
    assert len(of_train - with_click) > 0


def test_pre_training_on_the_true_intent_leaves_out_requests_without_a_click(
    dataset: Dataset,
) -> None:
    rows = stage_rows(TRUE_INTENT, dataset.store, dataset.intents, "train")
    batch = stage_batch(TRUE_INTENT, dataset.store, dataset.intents, rows)
    assert 0 < len(rows) < len(dataset.store.rows("train"))
    assert batch.intent is not None
    torch.testing.assert_close(batch.intent.sum(-1), torch.ones(len(rows)))


def test_a_request_that_reaches_into_a_later_split_teaches_no_intent(dataset: Dataset) -> None:
    rows = stage_rows(INTENT, dataset.store, dataset.intents, "train")
    straddling = copy(dataset.store)
    straddling.request = np.array(dataset.store.request)
    straddling.request[dataset.store.rows("valid")[0]] = straddling.request[rows[0]]
    kept = stage_rows(INTENT, straddling, dataset.intents, "train")
    assert set(rows) - set(kept) == {rows[0]}


def test_without_intent_labels_a_stage_that_reads_them_is_a_named_error(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="Stage 'uim' learns from intent labels"):
        stage_rows(INTENT, dataset.store, None, "train")
    none = replace(dataset.intents, has_intent=np.zeros_like(dataset.intents.has_intent))
    with pytest.raises(TrainingError, match="no train request has a click"):
        stage_rows(INTENT, dataset.store, none, "train")
    assert not len(stage_rows(INTENT, dataset.store, none, "valid"))


def test_the_intent_loss_is_the_divergence_by_hand(dataset: Dataset) -> None:
    batch = dataset.intents.attach(dataset.store.gather(np.arange(2)), np.arange(2))
    batch = replace(batch, intent=torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))
    intent = torch.tensor([[0.25, 0.5, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0]])
    expected = torch.tensor([0.5 * np.log(2.0), 0.0], dtype=torch.float32)
    torch.testing.assert_close(intent_divergence(intent, batch), expected)


def test_the_intent_loss_without_a_predicted_intent_is_a_named_error(dataset: Dataset) -> None:
    batch = dataset.store.gather(np.arange(2))
    with pytest.raises(TrainingError, match="needs a model that predicts intent"):
        intent_divergence(None, batch)
