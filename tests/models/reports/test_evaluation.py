"""Evaluation of a model whose data are known to the last click."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.errors import DataError
from models.metrics.intent import js_divergence
from models.metrics.ranking import auc, gauc, log_loss, rela_impr
from models.reports.evaluation import EvaluationInput, evaluate
from models.reports.results import Evaluation
from models.reports.wording import headline


@pytest.fixture(scope="module")
def evaluation(scene) -> Evaluation:
    return evaluate(
        scene.data,
        base_probability=scene.base,
        champion_probability=scene.champion,
        bootstrap=100,
        seed=1,
    )


def test_metrics_are_those_of_the_metric_functions(scene, evaluation) -> None:
    data = scene.data
    assert evaluation.metrics["auc"].value == pytest.approx(auc(data.labels, data.probability))
    counted = gauc(data.labels, data.probability, data.users)
    assert evaluation.metrics["gauc"].value == pytest.approx(counted.value)
    assert evaluation.users_counted == counted.groups_counted
    assert evaluation.metrics["log_loss"].value == pytest.approx(
        log_loss(data.labels, data.probability)
    )
    for name in ("auc", "gauc", "log_loss"):
        estimate = evaluation.metrics[name]
        assert estimate.low < estimate.value < estimate.high


def test_rivals_are_measured_on_the_same_examples(scene, evaluation) -> None:
    data = scene.data
    ours, theirs = auc(data.labels, data.probability), auc(data.labels, scene.base)
    assert evaluation.base.differences["auc"].value == pytest.approx(ours - theirs)
    assert evaluation.base.rela_impr["auc"] == pytest.approx(rela_impr(ours, theirs))
    assert evaluation.base.differences["auc"].low > 0  # the base model is far noisier
    assert (
        evaluation.champion.differences["auc"].low < 0 < evaluation.champion.differences["auc"].high
    )


def test_known_populations_are_compared_with_their_own_truth(scene, evaluation) -> None:
    data = scene.data
    assert [p.name for p in evaluation.intent.populations] == ["specific", "broad"]
    first = np.unique(data.request, return_index=True)[1]
    mine = first[data.has_intent[first] & (data.population[first] == "broad")]
    broad = evaluation.intent.populations[1]
    np.testing.assert_allclose(broad.true, data.y_int[mine].mean(axis=0))
    np.testing.assert_allclose(broad.predicted, data.intent[mine].mean(axis=0))
    assert broad.requests == len(mine)
    assert broad.js == pytest.approx(
        js_divergence(data.y_int[mine].mean(axis=0), data.intent[mine].mean(axis=0))
    )
    assert all(p.js < p.js_of_average for p in evaluation.intent.populations)


def test_unknown_populations_are_halves_by_true_intent(scene) -> None:
    found = evaluate(replace(scene.data, population=None), bootstrap=0, seed=0).intent
    assert not found.populations_known
    specific, broad = found.populations
    levels = np.arange(found.levels)
    assert levels @ np.array(specific.true) > levels @ np.array(broad.true)
    assert abs(specific.users - broad.users) <= 2


def test_level_shares_and_click_rates_add_up(scene, evaluation) -> None:
    assert sum(level.share for level in evaluation.levels) == pytest.approx(1.0)
    clicks = sum(level.impressions * level.click_rate.value for level in evaluation.levels)
    assert clicks == pytest.approx(scene.data.labels.sum())


def test_groups_cover_every_impression_of_each_grouping(scene, evaluation) -> None:
    assert [group.name for group in evaluation.groups] == [
        "population",
        "intent_diversity",
        "volatility",
        "history_length",
        "item_train_count",
    ]
    for group in evaluation.groups:
        assert sum(row["impressions"] for row in group.rows) == len(scene.data.labels)


def test_an_evaluation_survives_json(evaluation) -> None:
    text = evaluation.model_dump_json()
    assert Evaluation.model_validate_json(text) == evaluation
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert json.loads(json.dumps(evaluation.summary()))["base/rela_impr_auc"] > 0


def test_the_same_seed_gives_the_same_evaluation(scene, evaluation) -> None:
    again = evaluate(
        scene.data,
        base_probability=scene.base,
        champion_probability=scene.champion,
        bootstrap=100,
        seed=1,
    )
    assert again == evaluation


def test_a_single_class_leaves_ranking_out_instead_of_failing() -> None:
    data = EvaluationInput(
        labels=np.zeros(6, dtype=int), probability=np.full(6, 0.1), users=np.arange(6) // 2
    )
    found = evaluate(data, base_probability=np.full(6, 0.2), bootstrap=20, seed=0)
    assert found.metrics["auc"].value is None
    assert found.base.rela_impr["gauc"] is None
    assert found.users_skipped == 3
    assert "same label" in headline(found).details[0]
    Evaluation.model_validate_json(found.model_dump_json())


def test_arrays_of_another_length_are_named() -> None:
    data = EvaluationInput(
        labels=np.array([0, 1]), probability=np.array([0.1, 0.9]), users=np.array([1, 2])
    )
    with pytest.raises(DataError, match=r"rival 0 has 3 entries for 2 labels"):
        evaluate(data, base_probability=np.full(3, 0.5), bootstrap=0, seed=0)


def test_no_examples_are_refused() -> None:
    empty = EvaluationInput(
        labels=np.empty(0, dtype=int), probability=np.empty(0), users=np.empty(0, dtype=int)
    )
    with pytest.raises(DataError, match="no examples"):
        evaluate(empty, bootstrap=0, seed=0)


def test_the_headline_follows_the_champion_and_says_who_is_better(scene) -> None:
    better = evaluate(scene.data, champion_probability=scene.base, bootstrap=60, seed=0)
    assert headline(better).tone == "good"
    assert headline(better).headline.startswith("DAIAN ranks clicks better than the champion")
    worse = evaluate(
        replace(scene.data, probability=scene.base, model="old"),
        base_probability=scene.data.probability,
        bootstrap=60,
        seed=0,
        base_name="DAIAN",
    )
    assert headline(worse).tone == "bad"
    assert headline(worse).headline.startswith("old ranks clicks worse than DAIAN")
    equal = evaluate(scene.data, champion_probability=scene.champion, bootstrap=60, seed=0)
    assert headline(equal).tone == "mixed"
    assert "cannot be told apart from" in headline(equal).headline
