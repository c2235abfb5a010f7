import pytest
import torch

from models.tokenizers.codebook import fit_codebooks, nearest
from models.tokenizers.sinkhorn import assignment, evenly


def residuals(items=640, codes=16):
    """Two crowded places and some scattered codewords: the nearest ones would be overfull."""
    generator = torch.Generator().manual_seed(0)
    crowd = 0.05 * torch.randn(items, 4, generator=generator)
    crowd[: items // 2] += 1
    return crowd, torch.randn(codes, 4, generator=generator)


def test_codes_are_shared_out_evenly():
    values, codebook = residuals()
    near = torch.bincount(nearest(values, codebook), minlength=16)
    even = torch.bincount(evenly(values, codebook, epsilon=0.003, iterations=50), minlength=16)
    assert near.max() > 300
    assert near.min() == 0
    assert even.min() > 10
    assert even.max() < 80


def test_items_far_apart_stay_with_their_own_codewords():
    codebook = torch.eye(4) * 10
    values = codebook.repeat(5, 1) + 0.01
    assert torch.equal(
        evenly(values, codebook, epsilon=0.01, iterations=50), nearest(values, codebook)
    )


def test_no_temperature_means_the_nearest():
    assert assignment(0.0, 50) is nearest


@pytest.mark.parametrize("epsilon", [1e-6, 1.0])
def test_no_temperature_is_too_extreme(epsilon):
    values, codebook = residuals()
    codes = evenly(values, codebook, epsilon=epsilon, iterations=20)
    assert codes.min() >= 0
    assert codes.max() < 16


def test_only_the_last_level_is_shared_out():
    values, _ = residuals()
    plain, even = (
        fit_codebooks(
            values, 8, [0.0, 0.0], 5, torch.Generator().manual_seed(1), assign_last=assign
        )
        for assign in (nearest, assignment(0.01, 30))
    )
    assert torch.equal(plain[0], even[0])
    assert not torch.equal(plain[1], even[1])
