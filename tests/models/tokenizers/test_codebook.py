from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizers import codebook as module
from models.tokenizers.codebook import fit_codebooks, nearest, quantise, refit_jointly


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_codes_are_the_nearest_codewords_of_what_is_left(seed, items, codes, levels):
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(items, 5, generator=generator, dtype=torch.float64)
    codebooks = torch.randn(levels, codes, 5, generator=generator, dtype=torch.float64)
    found, total = quantise(latent, codebooks)
    for row, vector in enumerate(latent.numpy()):
        residual = vector.copy()
        for level, codebook in enumerate(codebooks.numpy()):
            distance = ((codebook - residual) ** 2).sum(axis=1)
            assert found[row, level] == distance.argmin()
            residual = residual - codebook[distance.argmin()]
        np.testing.assert_allclose(total[row], vector - residual, atol=1e-9)


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 6), st.integers(1, 3))
def test_enough_beams_find_the_codes_that_end_nearest(seed, items, codes, levels):
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(items, 4, generator=generator, dtype=torch.float64)
    codebooks = torch.randn(levels, codes, 4, generator=generator, dtype=torch.float64)
    found, total = quantise(latent, codebooks, beams=codes**levels)
    chosen = sum(codebooks[level][found[:, level]] for level in range(levels))
    torch.testing.assert_close(total, chosen)
    everything = torch.stack(
        [
            sum(book[code] for book, code in zip(codebooks, combination, strict=True))
            for combination in product(range(codes), repeat=levels)
        ]
    )
    least = (latent[:, None] - everything).pow(2).sum(2).min(1).values
    torch.testing.assert_close((latent - total).pow(2).sum(1), least)


def test_more_beams_leave_less():
    latent = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    codebooks = torch.randn(3, 16, 6, generator=torch.Generator().manual_seed(1))
    errors = [float((latent - quantise(latent, codebooks, n)[1]).pow(2).sum()) for n in (1, 2, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.95 * errors[0]


def test_the_lower_code_wins_a_tie():
    codebook = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert nearest(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), codebook).tolist() == [0, 0]


def test_without_shrinkage_every_codeword_is_the_mean_of_its_items():
    values = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    codebook = fit_codebooks(values, 8, [0.0], 100, torch.Generator().manual_seed(0))[0]
    assigned = nearest(values, codebook)
    for code in range(8):
        torch.testing.assert_close(codebook[code], values[assigned == code].mean(0))


def test_shrinkage_divides_by_the_count_plus_the_pseudo_count():
    values = torch.tensor([[10.0], [10.0], [-10.0], [-10.0]])
    codebook = fit_codebooks(values, 2, [2.0], 5, torch.Generator().manual_seed(3))[0]
    assert sorted(codebook.flatten().tolist()) == [-5.0, 5.0]


def test_every_code_is_used_even_where_random_starts_coincide():
    values = torch.cat([torch.zeros(500, 2), torch.randn(20, 2)])
    codebook = fit_codebooks(values, 8, [0.0], 30, torch.Generator().manual_seed(0))[0]
    assert len(nearest(values, codebook).unique()) >= 6


@pytest.mark.parametrize("levels", [1, 3])
def test_more_levels_leave_less(levels):
    values = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    codebooks = fit_codebooks(values, 16, [1.0] * levels, 10, torch.Generator().manual_seed(0))
    totals = [quantise(values, codebooks[: level + 1])[1] for level in range(levels)]
    errors = [float((values - total).pow(2).sum()) for total in totals]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < float(values.pow(2).sum())


def test_fitted_together_the_codebooks_solve_the_ridge_regression_on_the_codes():
    latent = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    start = fit_codebooks(latent, 6, [0.0, 0.0], 10, torch.Generator().manual_seed(0))
    codes, _ = quantise(latent, start, 4)
    chosen = np.concatenate([np.eye(6)[codes[:, level]] for level in range(2)], axis=1)
    penalty = np.diag(np.repeat([1.0, 5.0], 6))
    expected = np.linalg.solve(chosen.T @ chosen + penalty, chosen.T @ latent.numpy())
    found = refit_jointly(latent, start, [1.0, 5.0], 4)
    np.testing.assert_allclose(found.reshape(12, 3), expected, atol=1e-4)
    free = refit_jointly(latent, start, [0.0, 0.0], 4)
    apart, together = (
        latent - sum(books[level][codes[:, level]] for level in range(2)) for books in (start, free)
    )
    assert float(together.pow(2).sum()) < float(apart.pow(2).sum())


def test_codebooks_too_large_to_fit_together_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(module, "JOINT_CODES", 7)
    latent, books = torch.randn(20, 3), torch.randn(2, 4, 3)
    assert refit_jointly(latent, books, [1.0, 1.0], 2) is books
