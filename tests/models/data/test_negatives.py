import numpy as np
import pytest

from models.data.negatives import (
    NegativesConfig,
    Pool,
    draw_negatives,
    recorded_sampling,
)
from models.errors import SchemaError

NOBODY = (np.empty(0, np.int64), np.empty(0, np.int64))
NUM_ITEMS = 6
POPULARITY = np.array([0, 0, 1, 2, 3, 4, 0, 0])
CATEGORY = np.array([0, 0, 2, 2, 2, 3, 3, 3])


def draw(kind: str, target: int, repeats: int = 60_000) -> np.ndarray:
    positives = (np.zeros(repeats, np.int64), np.full(repeats, target))
    owned = (np.zeros(1, np.int64), np.array([target]))
    drawn = draw_negatives(
        NegativesConfig(kind=kind, category="colour"),
        Pool(NUM_ITEMS, POPULARITY, CATEGORY),
        positives,
        owned,
        np.random.default_rng(0),
    )
    return np.bincount(drawn.ravel(), minlength=NUM_ITEMS + 2) / repeats


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("uniform", [0, 0, 0, 1 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5]),
        ("popularity", [0, 0, 0, 2 / 9, 3 / 9, 4 / 9, 0, 0]),
        ("same_category", [0, 0, 0, 1 / 2, 1 / 2, 0, 0, 0]),
    ],
)
def test_negatives_follow_the_distribution_of_their_kind(kind: str, expected) -> None:
    np.testing.assert_allclose(draw(kind, target=2), expected, atol=0.01)


@pytest.mark.parametrize("kind", ["uniform", "popularity", "same_category"])
def test_the_last_item_a_user_does_not_own_is_found(kind: str) -> None:
    owned = (np.zeros(5, np.int64), np.array([2, 3, 4, 5, 6]))
    drawn = draw_negatives(
        NegativesConfig(kind=kind, per_positive=4),
        Pool(NUM_ITEMS, POPULARITY, CATEGORY),
        (np.zeros(5, np.int64), owned[1]),
        owned,
        np.random.default_rng(0),
    )
    assert drawn.tolist() == [[7] * 4] * 5


def test_a_user_who_owns_everything_is_an_error() -> None:
    owned = (np.zeros(6, np.int64), np.arange(2, 8))
    with pytest.raises(SchemaError, match="positive events with all 6 items"):
        draw_negatives(
            NegativesConfig(), Pool(NUM_ITEMS, POPULARITY), owned, owned, np.random.default_rng(0)
        )


def test_no_positives_draw_nothing() -> None:
    drawn = draw_negatives(
        NegativesConfig(), Pool(NUM_ITEMS, POPULARITY), NOBODY, NOBODY, np.random.default_rng(0)
    )
    assert drawn.shape == (0, 1)


def test_a_category_used_up_is_left_for_the_whole_catalogue() -> None:
    owned = (np.zeros(3, np.int64), np.array([2, 3, 4]))
    drawn = draw_negatives(
        NegativesConfig(kind="same_category", per_positive=30_000),
        Pool(NUM_ITEMS, POPULARITY, CATEGORY),
        (np.array([0]), np.array([3])),
        owned,
        np.random.default_rng(0),
    )
    shares = np.bincount(drawn.ravel(), minlength=8) / drawn.size
    np.testing.assert_allclose(shares, [0, 0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3], atol=0.01)


@pytest.mark.parametrize("kind", ["uniform", "popularity", "same_category"])
def test_negatives_are_never_owned_and_depend_on_the_seed_alone(kind: str) -> None:
    rng = np.random.default_rng(1)
    items = 200
    users, owned = rng.integers(0, 40, 3000), rng.integers(2, items + 2, 3000)
    pool = Pool(
        items,
        np.bincount(owned, minlength=items + 2),
        np.r_[0, 0, rng.integers(1, 30, items)],
    )
    config = NegativesConfig(kind=kind, per_positive=3)

    def drawn(seed: int) -> np.ndarray:
        log = (users, owned)
        return draw_negatives(config, pool, log, log, np.random.default_rng(seed))

    assert not set(zip(np.repeat(users, 3), drawn(0).ravel(), strict=True)) & set(
        zip(users, owned, strict=True)
    )
    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert (drawn(0) != drawn(1)).any()


def test_the_sampling_is_recorded_for_the_correction_of_probabilities() -> None:
    config = NegativesConfig(per_positive=4)
    assert recorded_sampling(config, {}) == {"negatives_per_positive": 4}
    assert recorded_sampling(None, {"negative_rate": 0.1}) == {"negative_rate": 0.1}
    assert recorded_sampling(None, {"positives": 3}) == {}
