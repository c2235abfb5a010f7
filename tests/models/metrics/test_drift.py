import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from models.metrics.calibration import normalised_entropy
from models.metrics.drift import (
    auc_drop,
    binned_auc,
    calibration_change,
    calibration_parts,
    entropy_parts,
    entropy_rise,
    js_distance,
    mean_distance,
    ranking_parts,
    summed_entropy,
    sums_of,
)
from models.metrics.random_features import RandomFeatures
from models.metrics.ranking import auc

RNG = np.random.default_rng(0)


def everything(parts, rows: int, size: int) -> np.ndarray:
    return sums_of(parts, np.zeros(rows, np.int64), 1, size)[0]


def test_the_distance_of_counts_is_scipys_and_takes_batches() -> None:
    left, right = RNG.integers(0, 9, (4, 7)).astype(float), RNG.integers(0, 9, (4, 7)).astype(float)
    expected = [jensenshannon(p, q) for p, q in zip(left, right, strict=True)]
    np.testing.assert_allclose(js_distance(left, right), expected, atol=1e-12)
    assert js_distance(np.array([1.0, 0]), np.array([0, 5.0])) == pytest.approx(np.log(2) ** 0.5)
    assert js_distance(np.array([1.0, 2]), np.array([2, 4.0])) == 0


def test_sums_of_parts_of_a_window_add_up_to_the_windows() -> None:
    place, weight, owner = RNG.integers(0, 5, 90), RNG.random(90), RNG.integers(0, 7, 90)
    parts = [(place, None), (place, weight)]
    by_owner = sums_of(parts, owner, 7, 5)
    np.testing.assert_allclose(by_owner.sum(axis=0), everything(parts, 90, 5))
    inside = (owner == 3) & (place == 2)
    assert by_owner[3, 2] == pytest.approx(inside.sum() + weight[inside].sum())


def test_the_auc_of_counts_is_the_auc_of_the_rows_up_to_ties_in_a_bin() -> None:
    labels, bins = RNG.integers(0, 2, 400), RNG.integers(0, 30, 400)
    counts = everything(ranking_parts(labels, bins, 30), 400, 60)
    assert binned_auc(counts) == pytest.approx(auc(labels, bins.astype(float)))
    assert np.isnan(binned_auc(np.r_[counts[:30], np.zeros(30)]))
    better = everything(ranking_parts(labels, bins + 30 * labels, 60), 400, 120)
    worse = everything(ranking_parts(labels, bins, 60), 400, 120)
    assert auc_drop(better, worse) == pytest.approx(1 - binned_auc(counts))


def test_the_entropy_of_sums_is_that_of_the_rows() -> None:
    labels, scores = RNG.integers(0, 2, 300), RNG.random(300)
    sums = everything(entropy_parts(labels, scores), 300, 3)
    assert summed_entropy(sums) == pytest.approx(normalised_entropy(labels, scores))
    assert entropy_rise(sums, sums) == 0


def test_the_change_of_calibration_is_in_probability() -> None:
    scores, bins = np.full(1000, 0.2), np.repeat([0, 1], 500)
    clicks = [np.tile([1, 0, 0, 0, 0], 200), np.tile([1, 0, 0, 0, 1], 200)]  # 20 % and 40 %
    sums = [everything(calibration_parts(c, scores, bins, 2), 1000, 6) for c in clicks]
    assert calibration_change(sums[0], sums[1]) == pytest.approx(0.2)
    assert calibration_change(sums[0], 3 * sums[0]) == pytest.approx(0)


def test_random_features_approach_the_gaussian_kernel_and_its_mean_discrepancy() -> None:
    left, right = RNG.normal(size=(300, 8)), RNG.normal(0.5, 1, size=(300, 8))
    features = RandomFeatures.fit(left, features=4096)
    width = features.directions.std() ** -1
    apart = ((left[:50, None] - right[None, :50]) ** 2).sum(axis=-1)
    kernel = np.exp(-apart / (2 * width**2))
    found = features.transform(left[:50]) @ features.transform(right[:50]).T
    assert np.abs(found - kernel).max() < 0.12
    sums = [np.r_[features.transform(x).sum(axis=0), len(x)] for x in (left, right, left[::-1])]
    pairs = [(a[:, None] - b[None]) for a, b in ((left, left), (right, right), (left, right))]
    means = [np.exp(-(p**2).sum(axis=-1) / (2 * width**2)).mean() for p in pairs]
    exact = (means[0] + means[1] - 2 * means[2]) ** 0.5
    assert mean_distance(sums[0], sums[1]) == pytest.approx(exact, rel=0.1)
    assert mean_distance(sums[0], sums[2]) == pytest.approx(0, abs=1e-6)


def test_items_that_are_all_alike_have_features_too() -> None:
    features = RandomFeatures.fit(np.ones((5, 3)))
    np.testing.assert_allclose((features.transform(np.ones((1, 3))) ** 2).sum(), 1, rtol=1e-5)
