from dataclasses import replace

import numpy as np
import pytest

from models.ctr.build import build_model
from models.errors import IncompatibleArtifactError
from models.training.trainer import make_catalogue, score
from tests.models.training.synthetic import Dataset, small_config


def test_scores_come_in_the_order_of_the_rows_whatever_the_batch_size(dataset: Dataset) -> None:
    model = build_model(small_config("daian"), dataset.catalogue, 0)
    rows = dataset.store.rows("test")[::-1].copy()
    whole, parts = (score(model, dataset.store, rows, batch_size=size) for size in (8192, 7))
    np.testing.assert_allclose(parts.logit, whole.logit, atol=1e-6)
    np.testing.assert_allclose(whole.probability, 1 / (1 + np.exp(-whole.logit)))
    assert whole.intent is not None
    assert whole.intent.shape == (len(rows), 4)
    alone = score(model, dataset.store, rows[5:6])
    np.testing.assert_allclose(alone.logit, whole.logit[5:6], atol=1e-6)


def test_the_true_intents_are_returned_beside_the_predictions_and_change_none(
    dataset: Dataset,
) -> None:
    model, rows = build_model(small_config("daian"), dataset.catalogue, 0), np.arange(30)
    plain, labelled = (
        score(model, dataset.store, rows, given) for given in (None, dataset.intents)
    )
    assert np.array_equal(plain.logit, labelled.logit)
    assert plain.true_intent is None
    assert labelled.true_intent is not None
    assert labelled.has_intent is not None
    np.testing.assert_allclose(labelled.true_intent.sum(1), labelled.has_intent)


def test_a_model_in_training_stays_in_training(dataset: Dataset) -> None:
    model = build_model(small_config("din"), dataset.catalogue, 0).train()
    score(model, dataset.store, np.arange(3))
    assert model.training


def test_no_rows_give_no_scores(dataset: Dataset) -> None:
    model = build_model(small_config("din"), dataset.catalogue, 0)
    assert score(model, dataset.store, np.arange(0)).probability.shape == (0,)


def test_content_of_other_items_makes_no_catalogue(dataset: Dataset) -> None:
    with pytest.raises(IncompatibleArtifactError, match="61 rows for 62 item codes"):
        make_catalogue(dataset.store, dataset.content[:-1], dataset.intents)


def test_a_catalogue_without_encoder_and_intents_has_neither(dataset: Dataset) -> None:
    bare = make_catalogue(dataset.store, None, None)
    assert (bare.content, bare.content_mean, bare.intent_edges) == (None, None, None)
    assert bare.spec == dataset.store.spec
    assert replace(dataset.catalogue, content=None).content is None
