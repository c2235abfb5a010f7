from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.errors import TokenizerError
from models.tokenizers import code_tree
from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.beam_search import beam_search
from models.tokenizers.code_tree import CodeTree
from models.tokenizers.semantic_ids import SemanticIds


class PrefixModel:
    """A model of codes whose every prefix has its own distribution, the same whenever asked."""

    def __init__(self, sizes, seed):
        self.sizes, self.seed = sizes, seed

    def log_probabilities(self, row, prefix):
        key = hash((self.seed, int(row), *map(int, prefix))) % 2**31
        scores = torch.randn(self.sizes[len(prefix)], generator=torch.Generator().manual_seed(key))
        return torch.log_softmax(scores, -1)

    def __call__(self, beams):
        return torch.stack(
            [
                torch.stack([self.log_probabilities(row, prefix) for prefix in prefixes])
                for row, prefixes in enumerate(beams.codes)
            ]
        )

    def of(self, row, codes):
        return sum(float(self.log_probabilities(row, codes[:i])[c]) for i, c in enumerate(codes))


def some_ids(random, sizes, items):
    everything = np.array(list(product(*map(range, sizes))))
    return everything[random.permutation(len(everything))[: min(items, len(everything))]]


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 70), st.booleans())
def test_wide_beams_find_the_best_items_that_brute_force_finds(seed, items, width, dense):
    """Beams as many as items never drop a prefix that matters: the search is exact then."""
    random = np.random.default_rng(seed)
    sizes = [5, 4, 3, 2]
    codes = some_ids(random, sizes, items)
    batch, wide = 2, max(width, len(codes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_tree, "FEWEST_DENSE", 1 if dense else 99)
        tree = CodeTree.build(codes, sizes)
    model = PrefixModel(sizes, seed)
    found = beam_search(tree, model, batch, wide)
    assert found.rows.shape == (batch, wide)
    for row in range(batch):
        truth = np.array([model.of(row, item) for item in codes.tolist()])
        order = np.argsort(-truth, kind="stable")
        np.testing.assert_array_equal(found.rows[row, : len(codes)], order)
        np.testing.assert_allclose(found.scores[row, : len(codes)], truth[order], atol=1e-4)
    assert (found.rows[:, len(codes) :] == -1).all()
    assert (found.scores[:, len(codes) :] == float("-inf")).all()
    assert (found.codes[:, len(codes) :] == -1).all()


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 12))
def test_every_result_of_narrow_beams_is_a_different_real_item(seed, items, width):
    random = np.random.default_rng(seed)
    sizes = [4, 4, 3]
    codes = some_ids(random, sizes, items)
    tree, model = CodeTree.build(codes, sizes), PrefixModel(sizes, seed)
    found = beam_search(tree, model, 3, width)
    for row in range(3):
        kept = found.rows[row][found.rows[row] >= 0].numpy()
        assert len(set(kept.tolist())) == len(kept) >= 1
        np.testing.assert_array_equal(codes[kept], found.codes[row, : len(kept)])
        assert (np.diff(found.scores[row, : len(kept)]) <= 0).all()


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 9))
def test_narrow_beams_keep_what_a_plain_beam_search_keeps(seed, items, width):
    random = np.random.default_rng(seed)
    sizes = [4, 3, 4]
    codes = some_ids(random, sizes, items)
    model = PrefixModel(sizes, seed)
    found = beam_search(CodeTree.build(codes, sizes), model, 1, width)
    beams = [((), 0.0)]
    for _ in sizes:
        valid = {tuple(item[: len(beams[0][0]) + 1]) for item in codes.tolist()}
        beams = [
            ((*prefix, code), score + float(value))
            for prefix, score in beams
            for code, value in enumerate(model.log_probabilities(0, prefix))
            if (*prefix, code) in valid
        ]
        beams = sorted(beams, key=lambda beam: -beam[1])[:width]
    expected = [list(prefix) for prefix, _ in beams]
    assert found.codes[0, : len(expected)].tolist() == expected
    assert (found.rows[0, len(expected) :] == -1).all()


def test_a_step_tells_the_beam_each_one_continues():
    codes = np.array(list(product(range(3), range(3))))
    model, seen = PrefixModel([3, 3], 0), []

    def score(beams):
        seen.append(beams)
        return model(beams)

    found = beam_search(CodeTree.build(codes, [3, 3]), score, 2, 3)
    assert [beams.codes.shape for beams in seen] == [(2, 1, 0), (2, 3, 1)]
    assert (seen[1].parents == 0).all()
    assert found.codes.shape == (2, 3, 2)


def test_a_code_the_model_rules_out_is_never_found():
    codes = np.array([[0, 0], [1, 0], [2, 0]])

    def score(beams):
        scores = torch.zeros(*beams.scores.shape, 3)
        scores[..., 1] = float("-inf")
        return scores

    found = beam_search(CodeTree.build(codes, [3, 3]), score, 1, 3)
    assert sorted(found.rows[0].tolist()) == [-1, 0, 2]


def test_it_decodes_the_items_of_a_table_of_semantic_ids(embedded, trained, tmp_path):
    assign_semantic_ids(embedded, trained("rqvae"), tmp_path)
    ids = SemanticIds.open(tmp_path)
    tree = CodeTree.of(ids)
    sizes = [level.size for level in tree.levels]
    wanted = 123

    def score(beams):
        level = beams.codes.shape[2]
        scores = torch.full((*beams.scores.shape, sizes[level]), -5.0)
        scores[..., ids.codes[wanted, level]] = 0.0
        return scores

    found = beam_search(tree, score, 1, 4)
    assert ids.table["item_id"][int(found.rows[0, 0])] == ids.table["item_id"][wanted]
    assert ids.item_of(tuple(found.codes[0, 0].tolist())) == ids.table["item_id"][wanted]


def test_what_cannot_be_searched_is_named():
    with pytest.raises(TokenizerError, match="1 items have the same codes as another"):
        CodeTree.build(np.array([[1, 0], [1, 0]]), [2, 1])
    with pytest.raises(TokenizerError, match="shape"):
        CodeTree.build(np.zeros((0, 2), int), [2, 2])
    with pytest.raises(TokenizerError, match="codes reach"):
        CodeTree.build(np.array([[2, 0]]), [2, 1])
    tree = CodeTree.build(np.array([[1, 0], [0, 0]]), [2, 1])
    with pytest.raises(TokenizerError, match="NaN"):
        beam_search(tree, lambda b: torch.full((*b.scores.shape, 2), float("nan")), 1, 2)
    with pytest.raises(TokenizerError, match="scores of level 0 have shape"):
        beam_search(tree, lambda b: torch.zeros(*b.scores.shape, 5), 1, 2)
