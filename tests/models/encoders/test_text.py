import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoders.config import EncoderConfig
from models.encoders.text import item_texts
from models.errors import ConfigError

BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f|]")
COLUMNS = ("title", "genres")


def texts(items: pl.DataFrame, template: str | None = None) -> list[str]:
    return item_texts(items, COLUMNS, EncoderConfig(encoder="minilm", text=template))


def test_the_data_sets_own_columns_are_joined_and_missing_ones_leave_no_trace(films):
    assert texts(films) == [
        "Alien | Horror, Sci-Fi",
        "Heat (1995) | Crime",
        "Comedy",
        "A very long title of a film",
        "Up | Animation",
    ]


def test_a_template_with_words_drops_the_segments_without_values(films):
    rows = texts(films, "{title} | genres: {genres}")
    assert rows[0] == "Alien | genres: Horror, Sci-Fi"
    assert rows[2] == "genres: Comedy"
    assert rows[3] == "A very long title of a film"


def test_lists_and_numbers_are_written_out():
    items = pl.DataFrame({"title": ["a"], "genres": [["x", "y"]], "price": [2.5]})
    assert texts(items, "{title} | {genres} | {price}") == ["a | x, y | 2.5"]


def test_an_item_without_any_text_is_empty():
    items = pl.DataFrame(
        {"title": [None, "  "], "genres": [None, ""]}, schema={c: pl.Utf8 for c in COLUMNS}
    )
    assert texts(items) == ["", ""]


@pytest.mark.parametrize("template", ["{titel}", "{title", "{title:>9}", "{}"])
def test_a_wrong_template_says_which_columns_there_are(films, template):
    with pytest.raises(ConfigError, match="text template"):
        texts(films, template)


@given(st.lists(st.tuples(*[st.none() | st.text(max_size=12)] * 2), min_size=1, max_size=8))
def test_every_visible_word_of_every_item_is_in_its_text(rows):
    items = pl.DataFrame(rows, schema={name: pl.Utf8 for name in COLUMNS}, orient="row")
    for row, text in zip(rows, texts(items), strict=True):
        words = [word for value in row for word in BLANK.split(value or "")]
        assert all(word in text for word in words)
        assert text == text.strip()
