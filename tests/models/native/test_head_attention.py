"""Every instruction set against plain torch in double precision, forward and backward."""

import pytest
import torch

from models.native import head_attention as native
from models.native.head_attention import Heads, Spans, head_attention
from models.native.library import INSTRUCTIONS, SWITCH, NativeCallError, available, supports

pytestmark = pytest.mark.skipif(not available(), reason="the native kernels were not built")
DIM, ROWS = 32, 20


def spans_of() -> Spans:
    """One query and many keys; none and some; many queries without keys; and with a few."""
    generator = torch.Generator().manual_seed(3)
    queries, keys = torch.tensor([0, 1, 1, 3, 7]), torch.tensor([0, 19, 24, 24, 27])
    index = [torch.randint(0, ROWS, (count,), generator=generator) for count in (7, 27)]
    return Spans(queries, keys, *index)


def tables_of(heads: Heads) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    width = DIM if heads.shared else DIM * heads.number
    shapes = (DIM * heads.number, width, width)
    return [torch.randn(ROWS, one, generator=generator).requires_grad_() for one in shapes]


def slow(tables: list[torch.Tensor], spans: Spans, heads: Heads) -> torch.Tensor:
    query, key, value = (table.double() for table in tables)
    found = []
    for row in range(len(spans.keys) - 1):
        asked = query[spans.query_index[spans.queries[row] : spans.queries[row + 1]]]  # pyright: ignore
        places = spans.key_index[spans.keys[row] : spans.keys[row + 1]]  # pyright: ignore
        parts = (key[places], value[places])
        if heads.shared:
            parts = tuple(one[:, None].expand(-1, heads.number, -1) for one in parts)
        else:
            parts = tuple(one.unflatten(1, (heads.number, DIM)) for one in parts)
        scores = torch.einsum("qhd,khd->qhk", asked.unflatten(1, (heads.number, DIM)), parts[0])
        weights = torch.softmax(heads.scale * scores, dim=-1)
        found.append(torch.einsum("qhk,khd->qhd", weights, parts[1]).flatten(1))
    return torch.cat(found)


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_attention_and_its_gradients_are_torchs(
    instructions: str, shared: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supports(instructions):
        pytest.skip(f"this processor has no {instructions}")
    monkeypatch.setenv(SWITCH, instructions)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    heads, spans = Heads(3, shared, 0.3), spans_of()
    tables = tables_of(heads)
    found, expected = head_attention(*tables, spans, heads), slow(tables, spans, heads)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    assert found[1:3].eq(0).all(), "queries without keys"
    with torch.no_grad():
        assert torch.equal(head_attention(*tables, spans, heads), found)
    given = torch.randn_like(found)
    ours = torch.autograd.grad(found, tables, given)
    theirs = torch.autograd.grad(expected, tables, given.double())
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [1, 4, 6])
def test_heads_that_lie_apart_are_those_side_by_side(number: int) -> None:
    heads, spans = Heads(number, False, 0.3), spans_of()
    query, key, value = tables_of(heads)
    apart = query.detach().unflatten(1, (number, DIM)).transpose(0, 1).contiguous()
    apart.requires_grad_()
    expected = head_attention(query, key, value, spans, heads)
    found = head_attention(apart, key, value, spans, heads)
    assert torch.equal(found.transpose(0, 1).flatten(1), expected)
    given = torch.randn_like(expected)
    parts = given.unflatten(1, (number, DIM)).transpose(0, 1)
    ours = torch.autograd.grad(found, (apart, key, value), parts)
    theirs = torch.autograd.grad(expected, (query, key, value), given)
    assert torch.equal(ours[0].transpose(0, 1).flatten(1), theirs[0])
    assert torch.equal(ours[1], theirs[1])
    assert torch.equal(ours[2], theirs[2])


def test_scores_far_apart_neither_overflow_nor_vanish() -> None:
    query = torch.full((1, 16), 20.0)
    keys = torch.stack([torch.full((16,), value) for value in (20.0, -20.0, 19.99)])
    spans = Spans(torch.tensor([0, 1]), torch.tensor([0, 3]))
    found = head_attention(query, keys, keys, spans, Heads(1, True, 1.0))
    weights = torch.softmax((keys.double() @ query[0].double()), 0)
    torch.testing.assert_close(found[0].double(), weights @ keys.double(), rtol=1e-5, atol=1e-5)


def test_what_points_outside_is_refused() -> None:
    table = torch.randn(4, 16)
    outside = Spans(torch.tensor([0, 1]), torch.tensor([0, 2]), None, torch.tensor([0, 4]))
    with pytest.raises(NativeCallError, match="points outside"):
        head_attention(table, table, table, outside, Heads(1, True, 1.0))
    with pytest.raises(NativeCallError, match="do not fit"):
        head_attention(table, table, table[:3], outside, Heads(1, True, 1.0))


def test_other_widths_devices_and_types_are_left_to_torch() -> None:
    table = torch.randn(2, 16)
    assert native.takes(table, widths=(16, 32))
    assert not native.takes(table, widths=(24,))
    assert not native.takes(table.double(), widths=(16,))
    assert not native.takes(table.to("meta"), widths=(16,))
    with torch.autocast("cpu", torch.bfloat16):
        assert not native.takes(table, widths=(16,))
