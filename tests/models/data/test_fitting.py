import numpy as np
import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.fitting import Seen, encode_users, fit_vocabularies


@pytest.fixture
def tables(make_tables):
    return make_tables([("ann", 100, 1, 1), ("bob", 101, 2, 0)], [("cleo", 102, 1)])


def seen(tables, items: list[bool]) -> Seen:
    return Seen(
        users=pl.Series("user_id", ["bob", "ann", "cleo"]),
        num_train_users=1,
        items=np.array(items),
        context=tables.impressions.head(1),
    )


def test_values_that_only_later_splits_show_are_unknown(tables) -> None:
    fitted = fit_vocabularies(tables, seen(tables, [False, True] * 4), ExamplesConfig())
    assert fitted.item[0].values == ("red",)
    assert fitted.context[0].values == ("phone",)
    assert fitted.spec.num_users == 3


def test_bin_edges_come_from_the_items_train_shows(tables) -> None:
    config = ExamplesConfig(numeric_bins=2)
    few = fit_vocabularies(tables, seen(tables, [True] * 4 + [False] * 4), config)
    assert few.item[1].edges == (102.0,)  # the median of 101, 102 and 103; item 100 has no price


def test_rare_values_are_unknown(tables) -> None:
    config = ExamplesConfig(min_count=2)
    fitted = fit_vocabularies(tables, seen(tables, [True, True, True, False] + [False] * 4), config)
    assert fitted.item[0].values == ("blue",)


def test_a_user_without_a_row_has_missing_fields(tables) -> None:
    fitted = fit_vocabularies(tables, seen(tables, [True] * 8), ExamplesConfig())
    assert fitted.user[0].values == ("all",)
    lacking = type(tables)(
        tables.spec, tables.items, tables.users.head(1), tables.impressions, tables.behaviours
    )
    assert encode_users(lacking, fitted).tolist() == [[0], [0], [0], [2], [0]]
