import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import ItemEmbeddings, load_embeddings
from models.errors import ConfigError, CorruptArtifactError, EncoderError, UnknownNameError


@pytest.fixture
def config(tiny_qwen) -> EncoderConfig:
    settings = {"folder": str(tiny_qwen("qwen3_vl")), "device": "cpu", "dtype": "float32"}
    return EncoderConfig(encoder="qwen_vl", settings=settings)


@pytest.fixture
def pictured(films) -> pl.DataFrame:
    paths = ["a.png", "cut.png", "../outside.png", None, "nowhere.png"]
    return films.with_columns(image_path=pl.Series(paths))


def embed(items, spec, config, folder: Path, **options):
    folder.mkdir(parents=True, exist_ok=True)
    options = {"previous": None, "images_root": None} | options
    return embed_items(items, spec, config, folder, **options)


def test_the_folder_holds_one_normalised_row_per_item(films, spec, config, tmp_path):
    summary = embed(films, spec, config, tmp_path / "a")
    embeddings = load_embeddings(tmp_path / "a")
    assert embeddings.item_ids.to_list() == films["item_id"].to_list()
    assert embeddings.values.shape == (5, 64)
    np.testing.assert_allclose(np.linalg.norm(embeddings.values, axis=1), 1, atol=1e-5)
    assert (summary["encoded"], summary["reused"], summary["left_out"]) == (5, 0, 0)
    assert not list(tmp_path.glob(".encoding-*")), "shards go once the whole is written"


def test_only_new_and_changed_items_are_encoded_again(films, spec, config, tmp_path):
    embed(films, spec, config, tmp_path / "old")
    changed = pl.concat(
        [films, films.head(1).with_columns(item_id=pl.lit(99, pl.Int64), title=pl.lit("New"))]
    )
    changed = changed.with_columns(
        title=pl.when(pl.col("item_id") == 12).then(pl.lit("Changed")).otherwise("title")
    )
    summary = embed(changed, spec, config, tmp_path / "new", previous=tmp_path / "old")
    assert (summary["encoded"], summary["reused"]) == (2, 4)
    old, new = load_embeddings(tmp_path / "old"), load_embeddings(tmp_path / "new")
    kept = [0, 2, 3, 4]
    np.testing.assert_array_equal(old.values[kept], new.values[kept])
    whole = embed(changed, spec, config, tmp_path / "whole")
    assert whole["encoded"] == 6
    np.testing.assert_allclose(load_embeddings(tmp_path / "whole").values, new.values, atol=1e-4)


def test_another_encoder_takes_nothing_over(films, spec, config, tmp_path):
    embed(films, spec, config, tmp_path / "old")
    other = config.model_copy(update={"settings": {**config.settings, "dim": 32}})
    summary = embed(films, spec, other, tmp_path / "new", previous=tmp_path / "old")
    assert summary["reused"] == 0


def test_a_damaged_earlier_folder_costs_time_and_nothing_else(films, spec, config, tmp_path):
    embed(films, spec, config, tmp_path / "old")
    (tmp_path / "old" / "embeddings.safetensors").write_bytes(b"broken")
    summary = embed(films, spec, config, tmp_path / "new", previous=tmp_path / "old")
    assert (summary["encoded"], summary["reused"]) == (5, 0)


def test_changed_image_bytes_are_encoded_again(pictured, spec, config, images, tmp_path):
    embed(pictured, spec, config, tmp_path / "old", images_root=images)
    (images / "a.png").write_bytes((images / "c.png").read_bytes())
    summary = embed(
        pictured, spec, config, tmp_path / "new", previous=tmp_path / "old", images_root=images
    )
    assert (summary["encoded"], summary["reused"]) == (1, 4)


def test_images_that_cannot_be_used_are_listed_and_their_items_encoded_by_text(
    pictured, spec, config, images, tmp_path
):
    summary = embed(pictured, spec, config, tmp_path / "a", images_root=images)
    assert (summary["embedded"], summary["images_quarantined"]) == (5, 3)
    records = json.loads((tmp_path / "a" / "quarantine.json").read_text())
    assert [record["item_id"] for record in records] == [12, 13, 15]
    assert {record["fallback"] for record in records} == {"text only"}
    for record, reason in zip(records, ["decoded", "leads out", "missing"], strict=True):
        assert reason in record["problem"]
    embed(pictured.drop("image_path"), spec, config, tmp_path / "text")
    with_image, text = (load_embeddings(tmp_path / name).values for name in ("a", "text"))
    np.testing.assert_allclose(with_image[1:], text[1:], atol=1e-4)
    assert np.abs(with_image[0] - text[0]).max() > 1e-3


def test_items_without_content_are_left_out_and_listed(films, spec, config, tmp_path):
    empty = films.with_columns(
        pl.when(pl.col("item_id") == 13).then(None).otherwise("genres").alias("genres")
    )
    summary = embed(empty, spec, config, tmp_path / "a")
    assert summary["left_out"] == 1
    embeddings = load_embeddings(tmp_path / "a")
    assert 13 not in embeddings.item_ids.to_list()
    aligned = embeddings.aligned(pl.Series([None, None, 11, 13, 777]))
    assert aligned.any(axis=1).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(aligned[2], embeddings.values[0])


def test_equal_contents_are_encoded_once(films, spec, config, tmp_path):
    twins = pl.concat([films, films.with_columns(pl.col("item_id") + 100)])
    summary = embed(twins, spec, config, tmp_path / "a")
    assert (summary["encoded"], summary["embedded"]) == (5, 10)
    values = load_embeddings(tmp_path / "a").values
    np.testing.assert_array_equal(values[:5], values[5:])


def test_a_killed_run_goes_on_from_its_shards_to_the_same_bits(films, spec, config, tmp_path):
    titles = pl.col("title").fill_null("")
    items = pl.concat(
        films.with_columns(pl.col("item_id") + 10 * i, title=pl.lit(f"Film {i}") + titles)
        for i in range(4)
    )
    config = config.model_copy(update={"shard_items": 4})
    items.write_parquet(tmp_path / "items.parquet")
    (tmp_path / "killed").mkdir()
    (tmp_path / "config.json").write_text(config.model_dump_json())
    script = f"""
import os, signal
from pathlib import Path
import polars as pl
from models.data.schema import DatasetSpec
from models.encoders import shards
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
root = Path({str(tmp_path)!r})
write, written = shards.Shards.write, []
def write_then_die(self, keys, vectors):
    write(self, keys, vectors)
    written.append(keys)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
shards.Shards.write = write_then_die
spec = DatasetSpec(name="films", item_text=("title", "genres"))
config = EncoderConfig.model_validate_json((root / "config.json").read_text())
embed_items(pl.read_parquet(root / "items.parquet"), spec, config, root / "killed",
            previous=None, images_root=None)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=dict(os.environ), check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    resumed = embed(items, spec, config, tmp_path / "resumed")
    assert resumed["resumed"] == 8
    whole = embed(items, spec, config, tmp_path / "whole")
    assert whole["resumed"] == 0
    np.testing.assert_array_equal(
        load_embeddings(tmp_path / "resumed").values, load_embeddings(tmp_path / "whole").values
    )


def test_items_that_stand_twice_are_refused(films, spec, config, tmp_path):
    with pytest.raises(EncoderError, match=r"not unique, for example \[11, 11\]"):
        embed(pl.concat([films, films.head(1)]), spec, config, tmp_path / "a")


def test_a_catalogue_without_any_text_is_refused(films, spec, config, tmp_path):
    blank = films.with_columns(title=pl.lit(None, pl.Utf8), genres=pl.lit("", pl.Utf8))
    with pytest.raises(EncoderError, match="None of the 5 items has content"):
        embed(blank, spec, config, tmp_path / "a")


def test_wrong_names_and_settings_are_named(films, spec, tmp_path):
    with pytest.raises(UnknownNameError, match="'minilmm'"):
        embed(films, spec, EncoderConfig(encoder="minilmm"), tmp_path / "a")
    typo = EncoderConfig(encoder="minilm", settings={"max_lenght": 3})
    with pytest.raises(ConfigError, match="did you mean 'max_length'"):
        embed(films, spec, typo, tmp_path / "a")


def test_ids_of_another_type_are_refused():
    embeddings = ItemEmbeddings(pl.Series(["a"]), np.ones((1, 2), np.float32))
    with pytest.raises(EncoderError, match="Int64"):
        embeddings.aligned(pl.Series([1]))


def test_a_folder_that_is_not_whole_is_corrupt(films, spec, config, tmp_path):
    embed(films, spec, config, tmp_path / "a")
    films.select("item_id").head(2).write_parquet(tmp_path / "a" / "items.parquet")
    with pytest.raises(CorruptArtifactError, match="5 embeddings for 2 items"):
        load_embeddings(tmp_path / "a")
    (tmp_path / "a" / "items.parquet").unlink()
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        load_embeddings(tmp_path / "a")
