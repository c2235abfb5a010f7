from itertools import pairwise

import pytest
import torch

from models.layers.intent import ExplicitIntent, Sequences


@pytest.mark.parametrize("width", [3, 16])
@pytest.mark.parametrize("rows", [0, 2])
def test_an_empty_subsequence_says_nothing_about_the_target(width: int, rows: int) -> None:
    explicit = ExplicitIntent(item_width=width, width=32, heads=2)
    empty = torch.zeros(0, dtype=torch.long)
    offsets = torch.zeros(rows + 1, dtype=torch.long)
    result = explicit(torch.randn(rows, width), Sequences(torch.randn(5, width), offsets, empty))
    assert result.shape == (rows, 32)
    assert result.eq(0).all()


@pytest.mark.parametrize("targets", [4, 9])
def test_the_folded_form_of_the_explicit_intent_equals_equations_9_and_10(targets: int) -> None:
    """On one history many targets, or four histories: by the kernel and by padded torch."""
    torch.manual_seed(0)
    explicit = ExplicitIntent(item_width=16, width=32, heads=2)
    table = torch.randn(6, 16, requires_grad=True)
    offsets = torch.tensor([0, 3, 3, 4, 7] if targets == 4 else [0, 7])
    rows, target = torch.tensor([0, 5, 5, 2, 1, 3, 0]), torch.randn(targets, 16)
    found = explicit(target, Sequences(table, offsets, rows))
    spans = list(pairwise(offsets)) * (9 if targets == 9 else 1)
    expected = []
    for one, (start, end) in zip(target, spans, strict=True):
        sequence = table[rows[start:end]][None]
        mask = torch.ones(1, int(end - start), dtype=torch.bool)
        related = explicit.self_attention(sequence, mask)
        expected.append(explicit.attention(one[None], related, mask))
    wanted = torch.cat(expected)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    given = torch.randn_like(found)
    parameters = [table, *explicit.parameters()]
    ours, theirs = (torch.autograd.grad(one, parameters, given) for one in (found, wanted))
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
