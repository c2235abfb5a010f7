import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.layers import attention
from models.layers.fused_attention import UnitWeights
from models.native import library
from models.native.library import INSTRUCTIONS, SWITCH, NativeCallError
from models.native.target_attention import (
    Keys,
    Plan,
    Weights,
    backward,
    forward,
    takes,
    target_attention,
)

ROOT = Path(__file__).resolve().parents[3]
NORMALISATIONS = ("none", "sigmoid", "softmax")
TOLERANCE = 1e-5
CLEAR = 1e-6

pytestmark = pytest.mark.skipif(
    not library.available(), reason="the native kernels were not built: no C++ compiler at install"
)


@dataclass
class Case:
    query: Tensor
    keys: Tensor
    offsets: Tensor
    index: Tensor | None
    weights: Weights

    @property
    def inputs(self) -> list[Tensor]:
        return [self.query, self.keys, *self.weights]

    def with_inputs(self, inputs: list[Tensor]) -> "Case":
        return replace(self, query=inputs[0], keys=inputs[1], weights=Weights(*inputs[2:]))


def case(
    lengths: list[int], dim: int, hidden: int, *, table: int | None = 9, seed: int = 0
) -> Case:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    events = sum(lengths)
    index = table and torch.randint(table, (events,), generator=generator, dtype=torch.int32)
    return Case(
        query=draw(len(lengths), dim),
        keys=draw(table or events, dim),
        offsets=torch.tensor([0, *lengths]).cumsum(0),
        index=index,
        weights=Weights(
            draw(hidden, dim) / math.sqrt(dim),
            draw(hidden),
            draw(hidden, dim) / math.sqrt(dim),
            draw(hidden, dim) / math.sqrt(dim),
            draw(hidden) / math.sqrt(hidden),
            draw(1),
        ),
    )


def hidden_units(one: Case) -> list[Tensor]:
    """The hidden layer of each row, before its ReLU."""
    keys = one.keys if one.index is None else one.keys[one.index.long()]
    weights, found = one.weights, []
    for row, query in enumerate(one.query):
        own = keys[one.offsets[row] : one.offsets[row + 1]]
        hidden = own @ weights.key.T + (own * query) @ weights.product.T
        found.append(hidden + weights.query @ query + weights.query_bias)
    return found


def smooth_case(lengths: list[int], dim: int, hidden: int, *, table: int | None, seed: int) -> Case:
    """A case without a unit so near zero that rounding decides whether its ReLU lets through."""
    while True:
        one = case(lengths, dim, hidden, table=table, seed=seed)
        units = hidden_units(one.with_inputs([tensor.double() for tensor in one.inputs]))
        if all(float(row.abs().min()) > CLEAR for row in units if row.numel()):
            return one
        seed += 1000


def reference(one: Case, normalisation: str) -> Tensor:
    """Row by row, as the paper says it."""
    keys = one.keys if one.index is None else one.keys[one.index.long()]
    weights, hidden, results = one.weights, hidden_units(one), []
    for row in range(len(one.query)):
        own = keys[one.offsets[row] : one.offsets[row + 1]]
        scores = torch.relu(hidden[row]) @ weights.out + weights.out_bias
        if normalisation == "softmax":
            scores = torch.softmax(scores, 0)
        elif normalisation == "sigmoid":
            scores = torch.sigmoid(scores)
        results.append((scores[:, None] * own).sum(0))
    return torch.stack(results)


def native(one: Case, plan: Plan) -> Tensor:
    return target_attention(one.query, one.keys, one.offsets, one.weights, one.index, plan)


def with_gradients(one: Case, attend: object, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The output, and the gradients of query, keys and all weights."""
    inputs = [tensor.detach().to(dtype).requires_grad_() for tensor in one.inputs]
    output = attend(one.with_inputs(inputs))  # type: ignore[operator]
    toward = torch.randn(output.shape, generator=torch.Generator().manual_seed(7)).to(dtype)
    return [output.detach(), *torch.autograd.grad(output, inputs, toward)]


def assert_equal(found: list[Tensor], expected: list[Tensor], normalisation: str) -> None:
    names = ("output", "query", "keys", *Weights._fields)
    # Gradients are sums whose terms cancel out, a softmax's in a row of equal keys to zero: what is
    # left is the rounding of the terms.
    scale = max(float(tensor.abs().max()) for tensor in expected if tensor.numel())
    for name, ours, true in zip(names, found, expected, strict=True):
        largest = float(true.abs().max()) if true.numel() else 0.0
        least = scale if normalisation == "softmax" else scale / 10
        difference = float((ours.double() - true).abs().max()) if true.numel() else 0.0
        assert difference <= TOLERANCE * max(largest, least), (name, difference, largest)


@pytest.fixture(params=INSTRUCTIONS)
def instructions(request: pytest.FixtureRequest) -> str:
    if not library.supports(request.param):
        pytest.skip(f"this processor has no {request.param}")
    return str(request.param)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 20) | st.just(0) | st.just(1), min_size=1, max_size=6),
    dim=st.integers(1, 40),
    hidden=st.integers(1, 40) | st.sampled_from([128, 144, 200]),
    table=st.sampled_from([None, 1, 9]),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_output_and_gradients_equal_the_paper_s_formula(
    normalisation: str,
    lengths: list[int],
    dim: int,
    hidden: int,
    table: int | None,
    threads: int,
    seed: int,
) -> None:
    one = smooth_case(lengths, dim, hidden, table=table, seed=seed)
    expected = with_gradients(one, lambda c: reference(c, normalisation), torch.float64)
    for name in filter(library.supports, INSTRUCTIONS):
        plan = Plan(normalisation, threads, name)  # type: ignore[arg-type]
        assert_equal(with_gradients(one, lambda c, p=plan: native(c, p)), expected, normalisation)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("dim", "hidden"), [(16, 128), (24, 300), (128, 80)])
def test_long_histories_and_many_rows_equal_the_torch_twin(
    instructions: str,
    normalisation: str,
    threads: int,
    dim: int,
    hidden: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = smooth_case([50, 0, 1, 1000, *[37] * 30], dim, hidden, table=200, seed=0)
    monkeypatch.setenv(SWITCH, "0")

    def twin(c: Case) -> Tensor:
        return attention.target_attention(
            c.query, c.keys, c.offsets, UnitWeights(*c.weights), normalisation, c.index
        )

    expected = with_gradients(one, twin)
    plan = Plan(normalisation, threads, instructions)  # type: ignore[arg-type]
    assert_equal(with_gradients(one, lambda c: native(c, plan)), expected, normalisation)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("table", [None, 300])
def test_the_same_call_gives_the_same_bits(instructions: str, threads: int, table: int) -> None:
    one = case([40] * 100, 16, 64, table=table)
    plan = Plan("none", threads, instructions)
    first = with_gradients(one, lambda c: native(c, plan))
    for _ in range(5):
        again = with_gradients(one, lambda c: native(c, plan))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_threads_share_the_rows_and_change_no_output(instructions: str) -> None:
    one = case([40] * 100, 16, 64)
    outputs = [native(one, Plan("softmax", threads, instructions)) for threads in (1, 2, 7)]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("table", [None, 9])
def test_one_history_can_meet_many_queries(instructions: str, table: int | None) -> None:
    whole = case([25], 16, 32, table=table)
    queries = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
    keys = whole.keys if whole.index is None else whole.keys[whole.index.long()]
    repeated = Case(queries, keys.repeat(6, 1), torch.arange(7) * 25, None, whole.weights)
    shared = replace(whole, query=queries)
    plan = Plan("softmax", 2, instructions)
    torch.testing.assert_close(native(shared, plan), reference(repeated, "softmax"))
    found = with_gradients(shared, lambda c: native(c, plan))
    expected = with_gradients(repeated, lambda c: reference(c, "softmax"))
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[3:], expected[3:], rtol=1e-4, atol=1e-4)


def test_ranges_may_leave_gaps(instructions: str) -> None:
    """Padded histories are read in place."""
    one = case([3, 0, 5], 8, 16, table=9)
    assert one.index is not None
    padded = torch.full((3, 6), 10**6, dtype=torch.int64)  # a padding that would be found out
    padded[0, :3], padded[2, :5] = one.index[:3], one.index[3:]
    begin = torch.arange(3) * 6
    keys = Keys(one.keys, padded.clamp_max(8).flatten(), begin, begin + torch.tensor([3, 0, 5]))
    plan = Plan("none", 1, instructions)
    output, saved = forward(one.query, keys, one.weights, plan, keep=True)
    assert torch.equal(output, native(one, plan))
    assert saved is not None
    found = backward(torch.ones_like(output), one.query, keys, one.weights, plan, saved)
    assert float(found.table.abs().sum()) > 0


def test_not_a_number_stays_one_and_touches_its_own_rows_only(instructions: str) -> None:
    one = case([4, 4], 16, 32, table=None)
    one.keys[1] = math.nan
    output, *gradients = with_gradients(one, lambda c: native(c, Plan("none", 1, instructions)))
    assert output[0].isnan().all()
    assert output[1].isfinite().all()
    assert gradients[0][0].isnan().any()
    assert gradients[0][1].isfinite().all()
    one.query[1] = math.inf
    assert not native(one, Plan("none", 1, instructions))[1].isfinite().all()


def test_empty_batches_and_empty_histories_give_zeros(instructions: str) -> None:
    plan = Plan("softmax", 2, instructions)
    found = with_gradients(case([0, 0], 16, 32), lambda c: native(c, plan))
    assert all(float(tensor.abs().max()) == 0 for tensor in found)
    assert native(case([], 16, 32), plan).shape == (0, 16)
    assert native(case([0], 16, 32, table=None), plan).tolist() == [[0.0] * 16]


@pytest.fixture
def good() -> Case:
    return case([3, 2], 8, 16)


def bad_inputs() -> Iterator[tuple[str, dict[str, object], str]]:
    double = torch.zeros(2, 8, dtype=torch.float64)
    yield (
        "dtype",
        {"query": double},
        "query is contiguous torch.float64",
    )
    yield "width", {"keys": torch.zeros(9, 7)}, r"table is contiguous torch.float32 \(9, 7\)"
    yield "shape", {"query": torch.zeros(8)}, r"query has the shape \(8,\)"
    yield "rows", {"offsets": torch.tensor([0, 3, 4, 5])}, "expected 3 or 2"
    yield "beyond", {"offsets": torch.tensor([0, 3, 6])}, "points outside"
    yield "backwards", {"offsets": torch.tensor([0, 3, 2])}, "points outside"
    yield "before", {"offsets": torch.tensor([-1, 3, 5])}, "points outside"
    yield "item", {"index": torch.tensor([0, 1, 9, 0, 0])}, "points outside"
    yield "negative", {"index": torch.tensor([0, 1, -1, 0, 0], dtype=torch.int32)}, "points outside"
    yield "floats", {"index": torch.zeros(5)}, "index is contiguous torch.float32"
    yield "device", {"query": torch.zeros(2, 8, device="meta")}, "on meta"


@pytest.mark.parametrize(
    ("changes", "message"), [c[1:] for c in bad_inputs()], ids=[c[0] for c in bad_inputs()]
)
def test_wrong_arguments_are_named(good: Case, changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(NativeCallError, match=message):
        native(replace(good, **changes), Plan())


def test_weights_of_another_shape_are_named(good: Case) -> None:
    weights = good.weights._replace(product=torch.zeros(16, 9))
    with pytest.raises(NativeCallError, match="w_product"):
        native(replace(good, weights=weights), Plan())


def test_overlapping_rows_without_an_index_are_refused(good: Case) -> None:
    keys = Keys(good.keys, None, torch.tensor([0, 1]), torch.tensor([3, 4]))
    output, saved = forward(good.query, keys, good.weights, Plan(), keep=True)
    assert saved is not None
    with pytest.raises(NativeCallError, match="overlap"):
        backward(output, good.query, keys, good.weights, Plan(), saved)


def test_the_kernels_take_float32_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    single = torch.zeros(1)
    assert takes(single)
    assert not takes(single, single.double())
    assert not takes(single.to("meta"))
    monkeypatch.setenv(SWITCH, "0")
    assert not takes(single)


@pytest.mark.parametrize(("switch", "called"), [("1", True), ("0", False)])
def test_the_attention_layer_calls_the_kernel_unless_it_is_switched_off(
    switch: str, called: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if switch == "1" and library.chosen_instructions() == "portable":
        pytest.skip("this processor has no instruction set that pays")
    monkeypatch.setenv(SWITCH, switch)
    layer = attention.TargetAttention(8, 16)
    one = case([3, 2], 8, 16)
    assert one.index is not None
    output = layer.jagged(one.query, one.keys, one.offsets, one.index)
    assert output.grad_fn is not None
    assert (output.grad_fn.name() == "_TargetAttentionBackward") is called
