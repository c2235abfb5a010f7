"""Every instruction set against the cosines themselves: no level may differ."""

import pytest
import torch

from models.native import likeness as native
from models.native.library import INSTRUCTIONS, SWITCH, NativeCallError, available, supports
from models.native.likeness import Coarse, Pairs, levels

pytestmark = pytest.mark.skipif(not available(), reason="the native kernels were not built")
ITEMS, WIDTH, ROWS = 200, 48, 30
EDGES = torch.tensor([-0.1, 0.0, 0.1])


@pytest.fixture(params=INSTRUCTIONS)
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if not supports(request.param):
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(SWITCH, request.param)
    return request.param


def content_of() -> torch.Tensor:
    """Rows of length 1, two of them without content, one of a single number."""
    content = torch.randn(ITEMS, WIDTH, generator=torch.Generator().manual_seed(0))
    content[5] = 0.0
    content[5, 0] = 1.0
    content = torch.nn.functional.normalize(content, dim=-1)
    content[[0, 7]] = torch.nan
    return content


def pairs_of() -> Pairs:
    """Rows of many lengths, none among them, some without content."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(0, 60, (ROWS,), generator=generator)
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    asking = torch.randint(0, ITEMS, (ROWS,), generator=generator)
    asking[4] = 7
    return Pairs(asking, torch.randint(0, ITEMS, (int(offsets[-1]),), generator=generator), offsets)


def expected_levels(content: torch.Tensor, pairs: Pairs, edges: torch.Tensor) -> torch.Tensor:
    left = content[pairs.asking].repeat_interleave(pairs.offsets.diff(), 0)
    cosine = (left.double() * content[pairs.items].double()).sum(-1)
    return torch.where(cosine.isnan(), -1, (cosine[:, None] > edges.double()).sum(-1))


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("threads", [1, 3])
def test_levels_are_those_of_the_cosines(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    content, pairs = content_of(), pairs_of()
    found = levels(content, Coarse.of(content), pairs, EDGES)
    expected = expected_levels(content, pairs, EDGES)
    assert torch.equal(found, expected)
    assert set(found.tolist()) == {-1, 0, 1, 2, 3}


@pytest.mark.usefixtures("instructions")
def test_an_edge_between_the_bytes_and_the_floats_is_told_by_the_floats() -> None:
    """Every pair lies nearer to an edge than 8 bits can tell."""
    content = content_of()
    pairs = Pairs(torch.tensor([1]), torch.arange(8, 108), torch.tensor([0, 100]))
    cosine = (content[1].double() * content[8:108].double()).sum(-1)
    for side, level in ((-1e-5, 1), (1e-5, 0)):
        for place in range(0, 100, 7):
            edge = (cosine[place : place + 1] + side).float()
            assert levels(content, Coarse.of(content), pairs, edge)[place] == level


def test_the_bytes_are_no_further_off_than_they_say() -> None:
    content = content_of()
    coarse = Coarse.of(content)
    assert coarse.bytes.shape == (ITEMS, 64)
    assert coarse.bytes[:, WIDTH:].eq(0).all()
    assert coarse.slack[[0, 7]].tolist() == [-1.0, -1.0]
    rest = content.double() - coarse.bytes[:, :WIDTH].double() * coarse.step[:, None].double()
    known = coarse.slack >= 0
    assert (rest.norm(dim=-1)[known] <= coarse.slack[known] + 1e-7).all()
    assert coarse.slack[known].max() < 0.03
    assert coarse.slack[5] == 0.0


def test_what_points_outside_or_does_not_fit_is_refused() -> None:
    content, offsets = content_of(), torch.tensor([0, 1])
    coarse, one = Coarse.of(content), torch.tensor([1])
    for asking, item in ((ITEMS, 1), (1, -1)):
        pairs = Pairs(torch.tensor([asking]), torch.tensor([item]), offsets)
        with pytest.raises(NativeCallError, match="points outside"):
            levels(content, coarse, pairs, EDGES)
    for wrong in (torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0, 2, 1])):
        with pytest.raises(NativeCallError):
            levels(content, coarse, Pairs(one, one, wrong), EDGES)
    with pytest.raises(NativeCallError, match="tables of"):
        levels(content[:9], coarse, Pairs(one, one, offsets), EDGES)


def test_other_widths_devices_and_types_are_left_to_torch() -> None:
    content = torch.randn(2, 16)
    assert native.takes(content)
    assert not native.takes(content[:, :8])
    assert not native.takes(content.double())
    assert not native.takes(content.to("meta"))
