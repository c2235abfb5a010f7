"""The picture of a catalogue, and what the page tells of themes, collisions and change."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from models.reports.code_map import SHOWN, code_map, map_drawing
from models.reports.pages import write_tokenizer_page


class Embedded(NamedTuple):
    item_ids: pl.Series
    values: np.ndarray


@pytest.fixture(scope="module")
def themes() -> tuple[np.ndarray, np.ndarray]:
    """Twenty clusters of embeddings, the first codes naming them."""
    random = np.random.default_rng(0)
    code = np.sort(random.integers(0, 20, 400))
    values = random.normal(size=(20, 16))[code] * 4 + random.normal(size=(400, 16))
    return values.astype(np.float32), code


def test_items_of_a_code_lie_together_and_the_picture_is_always_the_same(themes):
    values, code = themes
    picture, again = code_map(values, code), code_map(values, code)
    np.testing.assert_array_equal(picture.places, again.places)
    assert picture.places.min() == 0
    assert picture.places.max() == 1
    assert len(picture.themes) == 12
    apart = np.linalg.norm(picture.places[:, None] - picture.places[None], axis=2)
    same = code[picture.rows][:, None] == code[picture.rows]
    assert apart[same].mean() < 0.5 * apart[~same].mean()


def test_a_large_catalogue_is_sampled_and_keeps_its_themes():
    random = np.random.default_rng(0)
    code = np.minimum(random.geometric(0.02, 4000), 200)
    picture = code_map(random.normal(size=(4000, 4)).astype(np.float32), code)
    assert 0.9 * SHOWN <= len(picture.rows) <= SHOWN
    assert set(picture.themes) <= set(code[picture.rows])


def test_a_few_items_make_no_picture():
    assert code_map(np.eye(20, dtype=np.float32), np.zeros(20, int)) is None


def test_the_drawing_names_its_themes_without_scripts(themes):
    values, code = themes
    svg = map_drawing(code_map(values, code), code)
    assert "<script" not in svg
    assert all(f">{place}</text>" in svg for place in range(1, 13))


def test_the_page_shows_themes_collisions_and_the_gate(themes, tmp_path: Path):
    values, code = themes
    random = np.random.default_rng(1)
    ids = pl.Series("item_id", range(400))
    table = pl.DataFrame(
        {"item_id": ids, "code_0": code, "code_1": random.integers(0, 9, 400), "collision": 0}
    )
    table.write_parquet(tmp_path / "semantic_ids.parquet")
    figures = {
        "churn": 0.75,
        "churn_matched": [0.125, 0.5],
        "items_known_before": 321,
        "gate": {"approved": False, "reasons": ["Not met: <b> 0.5000 (rule: at most 0.1000)."]},
        "purity": [0.1, 0.6, 0.7],
    }
    (tmp_path / "diagnostics.json").write_text(json.dumps(figures))
    items = pl.DataFrame(
        {"item_id": ids, "title": [f"Film {c} {i} & co" for i, c in enumerate(code)]}
    )
    page = write_tokenizer_page(tmp_path, items, embeddings=Embedded(ids, values)).read_text()
    for words in (
        "t-SNE of 400 of 400 items",
        " &amp; co · Film ",
        "Collisions",
        "The gate turned the new tokenizer down",
        "Not met: &lt;b&gt; 0.5000",
        "321 items known before",
        "12.5\u202f%",
        "0.1000, 0.6000, 0.7000",
    ):
        assert words in page, words
    assert "<script" not in page
