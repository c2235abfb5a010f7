import numpy as np
import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.fields import Fields, GrowingValues, read_fields
from models.data.fitting import Fitted, Seen, Sides, fit


@pytest.fixture
def tables(make_tables):
    return make_tables([("ann", 100, 1, 1), ("bob", 101, 2, 0)], [("cleo", 102, 1)])


def fitted(tables, items: list[bool], config: ExamplesConfig | None = None) -> Fitted:
    """Users are ann, bob and cleo; train has bob, and the first impression."""
    sides = Sides(
        users=read_fields(tables.users, ("segment",)),
        items=read_fields(tables.items, ("colour",)),
        context=read_fields(tables.impressions, ("device",)),
        numbers=tables.items.select("price"),
    )
    seen = Seen(np.array([1, 0, 2]), 1, np.array(items), np.array([True, False]))
    ids = (tables.users["user_id"], tables.items["item_id"])
    return fit(sides, seen, ids, config or ExamplesConfig())


def test_values_that_only_later_splits_show_are_unknown_and_kept_aside(tables) -> None:
    result = fitted(tables, [False, True] * 4)
    assert result.vocabularies.item[0].values == ("red",)
    assert result.vocabularies.context[0].values == ("phone",)
    assert result.vocabularies.spec.num_users == 3
    assert result.vocabularies.known_users.to_list() == ["bob", "ann", "cleo"]
    assert result.context.tolist() == [[2], [1]]
    assert result.items[:, 0].tolist() == [0, 1, 1, 2, 1, 2, 1, 2, 1, 2]
    aside = result.unfitted.filter(pl.col("side") != "item").rows()
    assert aside == [("context", "device", 1, "laptop")]
    assert result.unfitted.filter(pl.col("side") == "item")["row"].to_list() == [2, 4, 6, 8]


def test_bin_edges_come_from_the_items_train_shows(tables) -> None:
    few = fitted(tables, [True] * 4 + [False] * 4, ExamplesConfig(numeric_bins=2))
    assert few.vocabularies.item[1].edges == (102.0,)  # the median of 101, 102, 103; 100 has none


def test_rare_values_are_unknown(tables) -> None:
    rare = fitted(tables, [True, True, True, False] + [False] * 4, ExamplesConfig(min_count=2))
    assert rare.vocabularies.item[0].values == ("blue",)


def test_a_user_without_a_row_has_missing_fields(tables) -> None:
    users = tables.users.with_columns(
        segment=pl.when(pl.col("user_id") != "cleo").then(pl.col("segment"))
    )
    lacking = type(tables)(tables.spec, tables.items, users, tables.impressions, tables.behaviours)
    assert fitted(lacking, [True] * 8).users.tolist() == [[0], [0], [2], [2], [0]]


def test_values_that_have_a_code_keep_it_and_new_ones_follow() -> None:
    values = pl.Series(["pear", "fig", "apple", "kiwi"])
    codes = np.array([[5], [4], [2], [0], [4]], dtype=np.int32)
    vocabularies, coded = Fields(("fruit",), (values,), codes, fitted=(2,)).fit(np.ones(5, bool), 1)
    assert vocabularies[0].values == ("pear", "fig", "apple", "kiwi")
    assert coded.ravel().tolist() == [5, 4, 2, 0, 4]
    counted = np.isin(np.arange(5), [1, 4])
    few, coded = Fields(("fruit",), (values,), codes, fitted=(1,)).fit(counted, 2)
    assert few[0].values == ("pear", "apple")
    assert coded.ravel().tolist() == [1, 3, 2, 0, 3]


@pytest.mark.parametrize("values", [["b", None, "a"], [3, None, -1], [True, None, False]])
def test_values_grow_over_batches_in_order_of_appearance(values: list) -> None:
    growing = GrowingValues()
    assert growing.codes(pl.Series(values)).tolist() == [2, 0, 3]
    assert growing.codes(pl.Series([values[2], values[0]])).tolist() == [3, 2]
    assert growing.codes(pl.Series([None, None], dtype=pl.Null)).tolist() == [0, 0]
    assert growing.values.to_list() == [values[0], values[2]]
