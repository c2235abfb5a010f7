import numpy as np
import polars as pl
import pytest

from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.quality import cohort_purity, neighbour_recall


def test_purity_is_how_often_two_items_of_a_cohort_have_one_label():
    codes = np.array([[0, 0], [0, 0], [0, 1], [1, 0], [1, 0], [1, 1]])
    labels = pl.Series(["a", "a", "b", "c", "d", None])
    everything, first, both = cohort_purity(codes, labels)
    assert everything == pytest.approx(2 * 1 / (5 * 4))
    assert first == pytest.approx((0.5 + 0.5 + 0 + 0 + 0) / 5)
    assert both == pytest.approx((1 + 1 + 0 + 0) / 4)


def test_purity_of_items_that_all_stand_alone_is_unknown():
    assert cohort_purity(np.array([[0], [1]]), pl.Series([1, 1]))[1] is None
    assert cohort_purity(np.array([[0], [0]]), pl.Series([None, None], dtype=pl.Utf8)) == [None] * 2


def test_recall_compares_neighbours_with_brute_force():
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 5)).astype(np.float32)
    blurred = values + 0.4 * random.normal(size=(60, 5)).astype(np.float32)

    def nearest(rows):
        distance = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
        np.fill_diagonal(distance, np.inf)
        return [set(np.argsort(line)[:10]) for line in distance]

    both = zip(nearest(values), nearest(blurred), strict=True)
    expected = np.mean([len(a & b) / 10 for a, b in both])
    assert neighbour_recall(values, blurred) == pytest.approx(expected)
    assert neighbour_recall(values, values) == 1
    assert neighbour_recall(values[:11], values[:11]) is None


def test_codes_know_more_of_the_label_than_chance(embedded, trained, tmp_path):
    labels = pl.Series((embedded.values @ embedded.values[0] > 0.8).astype(int))
    summary = assign_semantic_ids(embedded, trained("rqvae"), tmp_path, labels=labels)
    chance, first = summary["purity_0"], summary["purity_1"]
    assert first > chance + 0.1
    assert 0 < summary["recall_at_10"] < 1
