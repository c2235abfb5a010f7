"""Weights folders of the real architectures, tiny and random, made in seconds without a network."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from models.data.schema import DatasetSpec
from models.encoders.weights import go_offline

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 64


@pytest.fixture(scope="session")
def spec() -> DatasetSpec:
    return DatasetSpec(name="films", item_text=("title", "genres"))


@pytest.fixture
def films() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [11, 12, 13, 14, 15],
            "title": ["Alien", "Heat (1995)", None, "A very long title of a film", "Up"],
            "genres": ["Horror|Sci-Fi", "Crime", "Comedy", None, "Animation"],
        }
    )


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of a tiny random model: ``tiny_qwen("qwen3_vl")``."""
    made: dict[str, Path] = {}

    def folder(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = tmp_path_factory.mktemp(model_type)
            write_qwen(made[model_type], model_type)
        return made[model_type]

    return folder


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Returns a tiny Sentence-T5 folder: ``tiny_t5(legacy)``."""

    def folder(legacy: bool) -> Path:
        path = tmp_path_factory.mktemp("sentence-t5")
        write_sentence_t5(path, legacy=legacy)
        return path

    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three pictures, one cut off, and one that is no picture."""
    root = tmp_path / "images"
    root.mkdir()
    for name, size, colour in (
        ("a", (60, 40), "red"),
        ("b", (33, 97), "blue"),
        ("c", (64, 64), "green"),
    ):
        Image.new("RGB", size, colour).save(root / f"{name}.png")
    whole = (root / "a.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "text.png").write_text("this is no picture")
    return root


def write_qwen(folder: Path, model_type: str) -> None:
    go_offline()
    import transformers

    _write_byte_tokenizer(folder)
    vocabulary = 256 + len(SPECIAL)
    ids = {name: 256 + SPECIAL.index(token) for name, token in (
        ("vision_start_token_id", "<|vision_start|>"), ("vision_end_token_id", "<|vision_end|>"),
        ("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>"),
    )}  # fmt: skip
    text = {
        "hidden_size": WIDTH, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
        "vocab_size": vocabulary, "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]},
    }  # fmt: skip
    if model_type == "qwen3_vl":
        vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                  "out_hidden_size": WIDTH, "patch_size": 16, "num_position_embeddings": 64,
                  "deepstack_visual_indexes": [0]}  # fmt: skip
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
        kind, patch = transformers.Qwen3VLModel, 16
    elif model_type == "qwen2_vl":
        vision = {"depth": 2, "embed_dim": 32, "mlp_ratio": 2, "num_heads": 2,
                  "hidden_size": WIDTH, "patch_size": 14}  # fmt: skip
        config = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
        kind, patch = transformers.Qwen2VLModel, 14
    else:
        vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                  "out_hidden_size": WIDTH, "patch_size": 14, "fullatt_block_indexes": [1],
                  "window_size": 56}  # fmt: skip
        config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
        kind, patch = transformers.Qwen2_5_VLModel, 14
    torch.manual_seed(0)
    model = kind(config)
    for parameter in model.parameters():  # random enough that a wrong mask or position shows
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    processor = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": patch,
                 "temporal_patch_size": 2, "merge_size": 2,
                 "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
                 "size": {"shortest_edge": 3136, "longest_edge": 12845056}}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def _write_byte_tokenizer(folder: Path) -> None:
    """Byte-level BPE without merges, and Qwen's seven special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|endoftext|>",
             "eos_token": "<|im_end|>", "chat_template": CHAT_TEMPLATE}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))


def write_sentence_t5(folder: Path, *, legacy: bool) -> None:
    go_offline()
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5Config, T5EncoderModel

    transformer = folder / "0_Transformer" if legacy else folder
    transformer.mkdir(exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{c: i + 3 for i, c in enumerate(alphabet)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(transformer / "tokenizer.json"))
    facts = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>",
             "eos_token": "</s>", "unk_token": "<unk>"}  # fmt: skip
    (transformer / "tokenizer_config.json").write_text(json.dumps(facts))
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(vocabulary), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4
    )
    T5EncoderModel(config).save_pretrained(transformer)
    (folder / "2_Dense").mkdir()
    save_file({"linear.weight": torch.randn(24, 32)}, str(folder / "2_Dense" / "model.safetensors"))
    dense = {"in_features": 32, "out_features": 24, "bias": False,
             "activation_function": "torch.nn.modules.linear.Identity"}  # fmt: skip
    (folder / "2_Dense" / "config.json").write_text(json.dumps(dense))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    paths = ("0_Transformer" if legacy else "", "1_Pooling", "2_Dense", "3_Normalize")
    kinds = ("Transformer", "Pooling", "Dense", "Normalize")
    package = "sentence_transformers.models"
    modules = [{"idx": i, "name": str(i), "path": path, "type": f"{package}.{kind}"}
               for i, (path, kind) in enumerate(zip(paths, kinds, strict=True))]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(modules))
