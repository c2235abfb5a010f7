import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DataError
from models.intents.binning import (
    centre_content,
    cosine,
    fit_range,
    inner_edges,
    similarity_level,
)

RANGES = st.tuples(st.floats(-1, 0.9), st.floats(0.01, 1)).map(lambda r: (r[0], r[0] + r[1]))


@given(RANGES, st.integers(2, 20), st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=30))
def test_levels_are_equal_widths_of_the_range_and_clip_beyond_it(bounds, levels, values):
    low, high = bounds
    edges = torch.from_numpy(inner_edges(low, high, levels))
    assert len(edges) == levels - 1
    found = similarity_level(torch.tensor(values), edges).tolist()
    for value, level in zip(values, found, strict=True):
        exact = (value - low) / (high - low) * levels
        if abs(exact - round(exact)) > 1e-3:  # not within rounding of an edge
            assert level == min(max(int(np.floor(exact)), 0), levels - 1)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_a_greater_cosine_never_has_a_lower_level(values):
    levels = similarity_level(torch.tensor(sorted(values)), torch.tensor([-0.4, 0.0, 0.3]))
    assert (levels.diff() >= 0).all()


def test_a_value_on_an_edge_belongs_below_it():
    edges = torch.tensor([0.0, 0.5])
    assert similarity_level(torch.tensor([0.0, 0.5, 0.50001]), edges).tolist() == [0, 1, 2]


def test_centred_content_has_the_cosine_of_the_differences_from_the_mean():
    random = np.random.default_rng(0)
    content, mean = random.normal(size=(4, 3)), random.normal(size=3)
    centred = centre_content(torch.tensor(content).float(), torch.tensor(mean).float())
    for i in range(4):
        for j in range(4):
            left, right = content[i] - mean, content[j] - mean
            expected = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
            assert float(cosine(centred[i], centred[j])) == pytest.approx(expected, abs=1e-5)


def test_content_that_is_absent_stays_absent_and_is_similar_to_nothing():
    centred = centre_content(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    assert centred[0].tolist() == [0, 0]
    assert float(cosine(centred[0], centred[1])) == 0


def test_the_ranges_are_what_they_say():
    values = np.linspace(-0.2, 0.6, 1001)
    assert fit_range(values, "raw") == (-1.0, 1.0)
    assert fit_range(values, "minmax") == pytest.approx((-0.2, 0.6))
    assert fit_range(values, "percentile") == pytest.approx((-0.196, 0.596))


@pytest.mark.parametrize("kind", ["minmax", "percentile"])
def test_equal_similarities_cannot_be_divided(kind):
    with pytest.raises(DataError, match=r"have the cosine 0\.3000"):
        fit_range(np.full(10, 0.3), kind)
