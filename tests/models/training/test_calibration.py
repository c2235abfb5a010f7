"""The curve from logits to probabilities, and what it is combined with."""

import math
from copy import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from models.ctr.calibration import Calibration
from models.ctr.config import CTRConfig, TrainingConfig
from models.errors import ConfigError
from models.metrics.calibration import expected_calibration_error
from models.metrics.ranking import auc, log_loss
from models.training.calibration import (
    check_calibration,
    corrections,
    fit_calibration,
    fit_isotonic,
    fit_platt,
)
from models.training.trainer import load_model, score, train
from tests.models.training.synthetic import Dataset, small_config

PLAIN = Calibration()


def drawn(rows: int = 4000, factor: float = 2.5, constant: float = 1.0) -> tuple[np.ndarray, ...]:
    """Logits that are ``factor`` times too far from zero and ``constant`` too high, and clicks."""
    random = np.random.default_rng(3)
    truth = random.normal(-1.5, 1.0, rows)
    return truth * factor + constant, random.random(rows) < expit(truth)


def test_without_anything_a_probability_is_the_sigmoid_also_of_extreme_logits() -> None:
    logit = np.array([-1e4, -3.0, 0.0, 2.0, 1e4])
    assert np.array_equal(PLAIN.probability(logit), expit(logit))


def test_platt_undoes_a_scale_and_a_shift() -> None:
    logit, clicked = drawn(40_000)
    slope, intercept = fit_platt(logit, clicked)
    assert slope == pytest.approx(1 / 2.5, abs=0.02)
    assert intercept == pytest.approx(-1 / 2.5, abs=0.04)


def test_platt_is_the_minimum_another_optimizer_finds() -> None:
    logit, clicked = drawn(500)
    clicks = clicked.sum()
    target = np.where(clicked, (clicks + 1) / (clicks + 2), 1 / (500 - clicks + 2))

    def loss(weights: np.ndarray) -> float:
        z = weights[0] * logit + weights[1]
        return float((np.logaddexp(0, z) - target * z).mean())

    slow = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 0})
    np.testing.assert_allclose(fit_platt(logit, clicked), slow.x, atol=1e-6)


def test_platt_stays_finite_where_the_logit_separates_the_classes() -> None:
    logit = np.linspace(-1, 1, 40)
    slope, intercept = fit_platt(logit, logit > 0)
    assert 1 < slope < 1e3
    assert abs(intercept) < 1


def test_a_model_that_ranks_backwards_is_not_reversed() -> None:
    logit, clicked = drawn()
    slope, intercept = fit_platt(-logit, clicked)
    assert slope == 1.0
    assert expit(-logit + intercept).mean() == pytest.approx(clicked.mean(), abs=1e-3)


def pool_adjacent_violators(values: list[float], weights: list[float]) -> list[float]:
    """The textbook form: merge neighbours that fall until none does."""
    blocks = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            right, left = blocks.pop(), blocks.pop()
            total = left[1] + right[1]
            mean = (left[0] * left[1] + right[0] * right[1]) / total
            blocks.append([mean, total, left[2] + right[2]])
    return [value for value, _, count in blocks for _ in range(count)]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40))
def test_isotonic_equals_the_textbook(rows: list[tuple[int, bool]]) -> None:
    logit, clicked = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    points, values = fit_isotonic(logit, clicked)
    assert (np.diff(points) > 0).all()
    assert (np.diff(values) >= 0).all()
    distinct, counts = np.unique(logit, return_counts=True)
    shares = [float(clicked[logit == point].mean()) for point in distinct]
    margin = 0.5 / len(rows)
    expected = np.clip(pool_adjacent_violators(shares, counts.tolist()), margin, 1 - margin)
    np.testing.assert_allclose(np.interp(distinct, points, values), expected, atol=1e-12)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_curve_calibrates_and_never_reverses_a_pair(method: str) -> None:
    logit, clicked = drawn()
    fitted = fit_calibration(PLAIN, method, logit, clicked)
    fresh, labels = drawn()
    before, after = PLAIN.probability(fresh), fitted.probability(fresh)
    assert log_loss(labels, after) < log_loss(labels, before) - 0.05
    assert expected_calibration_error(labels, after) < 0.02
    order = np.argsort(fresh)
    assert (np.diff(after[order]) >= 0).all()
    assert fitted.figures["valid/log_loss_after"] < fitted.figures["valid/log_loss_before"]
    assert Calibration.model_validate_json(fitted.model_dump_json()) == fitted


def test_platt_ranks_as_the_logit_and_isotonic_may_tie() -> None:
    logit, clicked = drawn()
    platt, isotonic = (fit_calibration(PLAIN, m, logit, clicked) for m in ("platt", "isotonic"))
    assert auc(clicked, platt.probability(logit)) == auc(clicked, logit)
    assert len(np.unique(isotonic.probability(logit))) < len(logit)


@pytest.mark.parametrize("rate", [1.0, 0.3, 0.05])
@pytest.mark.parametrize("method", ["none", "platt", "isotonic"])
def test_a_down_sampled_log_is_corrected_to_the_true_rate(rate: float, method: str) -> None:
    """The model is right about the sampled log; what is served is right about the whole one."""
    random = np.random.default_rng(7)
    truth = random.normal(-2.0, 1.0, 400_000)
    clicked = random.random(len(truth)) < expit(truth)
    sampled = truth - math.log(rate)  # odds grow by 1 / rate
    kept = clicked | (random.random(len(truth)) < rate)
    config = TrainingConfig.model_validate({"log_negative_rate": rate})
    fitted = fit_calibration(corrections(config, {}), method, sampled[kept], clicked[kept])
    assert fitted.probability(sampled).mean() == pytest.approx(clicked.mean(), rel=0.03)
    assert fitted.curve(sampled[kept]).mean() == pytest.approx(clicked[kept].mean(), rel=0.01)


@pytest.mark.parametrize("method", ["none", "platt", "isotonic"])
def test_what_training_alone_did_to_the_classes_is_corrected_before_the_curve(method: str) -> None:
    """The validation rows have the true rate: a curve must not be corrected a second time."""
    random = np.random.default_rng(8)
    truth = random.normal(-2.0, 1.0, 200_000)
    clicked = random.random(len(truth)) < expit(truth)
    config = TrainingConfig(keep_negatives=0.1, positive_weight=2.0)
    learnt = truth - math.log(0.1) + math.log(2.0)
    fitted = fit_calibration(corrections(config, {}), method, learnt, clicked)
    assert fitted.probability(learnt).mean() == pytest.approx(clicked.mean(), rel=0.01)


def test_the_correction_is_the_papers_formula() -> None:
    logit = np.linspace(-5, 5, 101)
    p = expit(logit)
    corrected = Calibration(log_negative_rate=0.25).probability(logit)
    np.testing.assert_allclose(corrected, p / (p + (1 - p) / 0.25), rtol=1e-12)
    np.testing.assert_allclose(corrected, expit(logit + math.log(0.25)), rtol=1e-12)


def test_the_rate_can_come_from_the_store() -> None:
    config = TrainingConfig(log_negative_rate="store")
    assert corrections(config, {"negative_rate": 0.2}).log_negative_rate == 0.2
    with pytest.raises(ConfigError, match="tells no rate at which non-clicks were kept: None"):
        corrections(config, {})


def test_a_valid_split_of_one_class_is_refused_before_training(dataset: Dataset) -> None:
    check_calibration(TrainingConfig(calibration="platt"), dataset.store)
    unclicked = copy(dataset.store)
    unclicked.label = np.zeros_like(dataset.store.label)
    with pytest.raises(ConfigError, match=r"which has 0 clicks in \d+ examples"):
        check_calibration(TrainingConfig(calibration="platt"), unclicked)


def trained(dataset: Dataset, folder: Path, config: CTRConfig) -> np.ndarray:
    """Train; return the probabilities of the test rows."""
    train(
        config, dataset.store, dataset.catalogue, dataset.intents, folder / "model",
        seed=0, resume_folder=folder / "resume",
    )  # fmt: skip
    loaded = load_model(folder / "model")
    rows = dataset.store.rows("test")
    return score(loaded.model, dataset.store, rows, calibration=loaded.calibration).probability


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_training_stores_the_calibration_with_the_model(
    method: str, dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config(
        "din", max_epochs=3, batch_size=64, positive_weight=4.0, calibration=method
    )
    trained(dataset, tmp_path, config)
    loaded = load_model(tmp_path / "model")
    assert loaded.calibration.method == method
    valid = dataset.store.rows("valid")
    clicked = np.asarray(dataset.store.label)[valid] == 1
    logit = score(loaded.model, dataset.store, valid).logit
    again = fit_calibration(Calibration(train_offset=-math.log(4.0)), method, logit, clicked)
    assert loaded.calibration == again
    assert loaded.metadata["summary"]["valid/log_loss_after"] == pytest.approx(
        log_loss(clicked, loaded.calibration.probability(logit)), abs=1e-12
    )


@pytest.mark.parametrize("training", [{"positive_weight": 5.0}, {"keep_negatives": 0.2}])
def test_weighted_and_thinned_trainings_are_corrected_towards_the_true_rate(
    training: dict[str, float], dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("din", max_epochs=2, batch_size=64, learning_rate=0.005, **training)
    corrected = trained(dataset, tmp_path, config).mean()
    rows = dataset.store.rows("test")
    rate = np.asarray(dataset.store.label)[rows].mean()
    model = load_model(tmp_path / "model").model
    uncorrected = score(model, dataset.store, rows).probability.mean()
    assert uncorrected > rate + 0.1
    assert abs(corrected - rate) < 0.5 * (uncorrected - rate)
