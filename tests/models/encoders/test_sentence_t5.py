import json
import shutil

import numpy as np
import pytest
import torch

from models.encoders.base import ItemContent
from models.encoders.sentence_t5 import SentenceT5, SentenceT5Settings
from models.errors import EncoderError

TEXTS = ["Alien", "A much longer text about a film", "Heat", "", "x y z"]


def nothing(count):
    return count


def contents() -> list[ItemContent]:
    return [ItemContent(i, text) for i, text in enumerate(TEXTS)]


def load(folder, **settings) -> SentenceT5:
    return SentenceT5.load(
        SentenceT5Settings(folder=folder, device="cpu", dtype="float32", **settings)
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_batch_gives_what_each_item_gives_alone_in_any_order(legacy, tiny_t5):
    encoder = load(tiny_t5(legacy))
    together = encoder.encode(contents(), nothing)
    alone = np.concatenate([encoder.encode([item], nothing) for item in contents()])
    backwards = load(tiny_t5(legacy), token_budget=1).encode(contents()[::-1], nothing)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-4)
    assert together.shape == (len(TEXTS), 24)


def test_equal_to_the_stages_written_out(tiny_t5):
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, T5EncoderModel

    folder = tiny_t5(False)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), T5EncoderModel.from_pretrained(folder)
    dense = load_file(str(folder / "2_Dense" / "model.safetensors"))["linear.weight"]
    with torch.no_grad():
        expected = []
        for text in TEXTS:
            states = model.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state
            vector = dense @ states[0].mean(0)
            expected.append((vector / vector.norm()).numpy())
    np.testing.assert_allclose(load(folder).encode(contents(), nothing), expected, atol=1e-5)


@pytest.mark.parametrize("legacy", [False, True])
def test_equal_to_the_reference_library(legacy, tiny_t5):
    reference = pytest.importorskip("sentence_transformers", reason="the peer is not installed")
    folder = tiny_t5(legacy)
    texts = [text for text in TEXTS if text]
    expected = reference.SentenceTransformer(str(folder), device="cpu").encode(texts)
    items = [ItemContent(row, text) for row, text in enumerate(texts)]
    np.testing.assert_allclose(load(folder).encode(items, nothing), expected, atol=1e-4)


def test_both_layouts_have_the_same_embeddings(tiny_t5):
    current, legacy = (load(tiny_t5(kind)).encode(contents(), nothing) for kind in (False, True))
    np.testing.assert_allclose(current, legacy, atol=1e-6)


def test_other_stages_pooling_or_bias_are_refused(tiny_t5, tmp_path):
    whole = tiny_t5(False)
    changes = {
        "stages": ("modules.json", lambda value: value[:2]),
        "mean of the tokens": (
            "1_Pooling/config.json",
            lambda value: {**value, "pooling_mode_mean_tokens": False},
        ),
        "activation": (
            "2_Dense/config.json",
            lambda value: {**value, "activation_function": "torch.nn.Tanh"},
        ),
    }
    for message, (name, change) in changes.items():
        folder = tmp_path / message.replace(" ", "_")
        shutil.copytree(whole, folder)
        changed = change(json.loads((folder / name).read_text()))
        (folder / name).write_text(json.dumps(changed))
        with pytest.raises(EncoderError, match=message):
            load(folder)


def test_half_a_folder_is_refused_by_the_name_of_what_is_missing(tiny_t5, tmp_path):
    shutil.copytree(tiny_t5(False), tmp_path / "half")
    (tmp_path / "half" / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"model\.safetensors is missing"):
        load(tmp_path / "half")
    with pytest.raises(EncoderError, match="no weights folder"):
        load(tmp_path / "nowhere")
