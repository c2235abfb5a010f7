from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.native.int8_encoder import EncoderLayer, Int8Encoder, int8_available
from models.native.int8_linear import GROUP, PANEL, QuantisedLinear, quantise_linear
from models.native.library import SWITCH, NativeCallError

WIDTH, HEADS, INNER, EPSILON = 64, 2, 272, 1e-12  # INNER: two whole groups of inputs and a part
LENGTHS = [1, 7, 512, 16, 33, 2, 130, 64, 5]
SOURCE = Path(__file__).resolve().parents[3] / "models" / "native" / "source"
Linear = Callable[[Tensor], Tensor]

pytestmark = pytest.mark.skipif(
    not int8_available(), reason="no AVX-512 VNNI, or the native kernels were not built"
)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def in_float32(weight: Tensor, bias: Tensor) -> QuantisedLinear:
    """A layer whose every input is an outlier: nothing of it is in 8 bits."""
    outputs, inputs = weight.shape
    panels = -(-outputs // PANEL)
    return QuantisedLinear(
        unscale=torch.ones(inputs),
        weights=torch.zeros(panels, inputs // 4, PANEL, 4, dtype=torch.int8),
        scale=torch.zeros(outputs),
        group_sum=torch.zeros(-(-inputs // GROUP), outputs),
        bias=bias,
        outlier=torch.arange(inputs, dtype=torch.int32),
        outlier_weights=weight.T.contiguous(),
    )


def in_8_bits(weight: Tensor, bias: Tensor) -> QuantisedLinear:
    return quantise_linear(weight, bias, draw(300, weight.shape[1], seed=99))


def as_doubles(linear: QuantisedLinear) -> Linear:
    """What int8_encoder.h says of a layer, written out."""
    panels = linear.weights.permute(0, 2, 1, 3).reshape(-1, linear.inputs)
    weight = panels[: linear.outputs].double() * linear.scale.double()[:, None]

    def apply(states: Tensor) -> Tensor:
        scaled = states.float() * linear.unscale
        outliers = scaled[:, linear.outlier.long()].double()
        scaled[:, linear.outlier.long()] = 0.0
        parts = []
        for part in scaled.split(GROUP, dim=1):
            low = part.amin(1, keepdim=True).clamp_max(0.0)
            step = (part.amax(1, keepdim=True).clamp_min(0.0) - low) / 255.0
            inverse = torch.where(step > 0.0, 1.0 / step, 0.0)
            parts.append(((part - low) * inverse).round().clamp(0, 255).double() * step + low)
        rounded = torch.cat(parts, dim=1)
        return rounded @ weight.T + outliers @ linear.outlier_weights.double() + linear.bias

    return apply


def layer_of(make: Callable[[Tensor, Tensor], QuantisedLinear], seed: int) -> EncoderLayer:
    sizes = ((3 * WIDTH, WIDTH), (WIDTH, WIDTH), (INNER, WIDTH), (WIDTH, INNER))
    linears = [
        make(draw(o, i, seed=seed + n) * i**-0.5, draw(o, seed=seed + 10 + n))
        for n, (o, i) in enumerate(sizes)
    ]
    return EncoderLayer(*linears, *(draw(WIDTH, seed=seed + 20 + n) for n in range(4)))


def reference(layers: list[EncoderLayer], states: Tensor) -> Tensor:
    """One sequence through the layers in float64, then the mean of its states."""
    states = states.double()
    for layer in layers:
        linears = (layer.project, layer.attended, layer.expand, layer.contract)
        project, attended, expand, contract = (as_doubles(linear) for linear in linears)
        parts = project(states).view(len(states), 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(1, 2, 0, 3)  # each heads, tokens, width
        seen = F.scaled_dot_product_attention(query, key, value)
        change = attended(seen.transpose(0, 1).reshape(len(states), WIDTH))
        first = (layer.attention_norm_weight.double(), layer.attention_norm_bias.double())
        states = F.layer_norm(states + change, (WIDTH,), *first, eps=EPSILON)
        change = contract(F.gelu(expand(states)))
        last = (layer.output_norm_weight.double(), layer.output_norm_bias.double())
        states = F.layer_norm(states + change, (WIDTH,), *last, eps=EPSILON)
    return states.mean(0)


def run(layers: list[EncoderLayer], sequences: list[Tensor], threads: int = 1) -> Tensor:
    begin = torch.tensor([0, *(len(one) for one in sequences)]).cumsum(0)
    encoder = Int8Encoder(layers, HEADS, EPSILON)
    return encoder.pooled(torch.cat(sequences).clone(), begin, threads)


@pytest.fixture(scope="module")
def sequences() -> list[Tensor]:
    return [draw(length, WIDTH, seed=length) for length in LENGTHS]


@pytest.fixture(scope="module")
def layers() -> list[EncoderLayer]:
    return [layer_of(in_8_bits, seed) for seed in (0, 100)]


def test_attention_gelu_softmax_and_norms_are_those_of_torch(sequences: list[Tensor]) -> None:
    exact = [layer_of(in_float32, seed) for seed in (0, 100)]
    found = run(exact, sequences)
    expected = torch.stack([reference(exact, one) for one in sequences])
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [1e-4, 40.0])
def test_small_and_large_inputs_are_as_exact(size: float) -> None:
    """GELU's tails, and softmax over scores that are nearly equal or far apart."""
    exact = [layer_of(in_float32, 0)]
    states = draw(40, WIDTH, seed=1) * size
    expected = reference(exact, states)[None]
    torch.testing.assert_close(run(exact, [states]).double(), expected, atol=1e-4, rtol=1e-4)


def test_products_in_8_bits_are_what_the_header_says(sequences: list[Tensor]) -> None:
    layer = [layer_of(in_8_bits, 0)]
    found = run(layer, sequences).double()
    expected = torch.stack([reference(layer, one) for one in sequences])
    # Where float32 and float64 round one input differently, its one step of 255 stays.
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.0)
    assert (found - expected).abs().mean() < 5e-4
    exact = torch.stack([reference([layer_of(in_float32, 0)], one) for one in sequences])
    assert F.cosine_similarity(found, exact).min() >= 0.9995


def test_rounding_to_8_bits_keeps_the_outputs_near() -> None:
    weight, bias = draw(96, 160, seed=1), draw(96, seed=2)
    inputs = draw(500, 160, seed=3)
    inputs[:, 5] *= 60.0  # an input much wider than the others stays in float32
    linear = quantise_linear(weight, bias, inputs)
    assert 5 in linear.outlier
    expected = inputs.double() @ weight.double().T + bias
    error = as_doubles(linear)(inputs) - expected
    assert error.square().mean() / expected.var() < 1e-5


def test_ragged_sequences_do_not_see_each_other(
    layers: list[EncoderLayer], sequences: list[Tensor]
) -> None:
    together = run(layers, sequences)
    for row, one in enumerate(sequences):
        assert torch.equal(run(layers, [one])[0], together[row])
    assert torch.equal(run(layers, sequences[::-1]).flip(0), together)


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_change_no_bit(
    threads: int, layers: list[EncoderLayer], sequences: list[Tensor]
) -> None:
    assert torch.equal(run(layers, sequences, threads), run(layers, sequences))


def test_a_token_that_is_not_finite_shows(layers: list[EncoderLayer]) -> None:
    states = draw(4, WIDTH, seed=5)
    states[2, 3] = float("nan")
    assert run(layers, [states]).isnan().any()


@pytest.mark.parametrize(
    ("states", "begin", "message"),
    [
        (torch.zeros(4, WIDTH, dtype=torch.float64), [0, 4], "States are torch.float64"),
        (torch.zeros(4, 48), [0, 4], "64 wide"),
        (torch.zeros(WIDTH, 4).T, [0, 4], "contiguous"),
        (torch.zeros(4), [0, 4], "States are"),
        (torch.zeros(4, WIDTH), [0, 3], "do not cover"),
        (torch.zeros(4, WIDTH), [1, 4], "do not cover"),
        (torch.zeros(4, WIDTH), [0, 2, 2, 4], "none of them empty"),
        (torch.zeros(4, WIDTH), [0, 5, 4], "do not cover"),
        (torch.zeros(4, WIDTH), [0], "do not cover"),
        (torch.zeros(4, WIDTH), [0.0, 4.0], "int64"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    states: Tensor, begin: list[int], message: str, layers: list[EncoderLayer]
) -> None:
    with pytest.raises(NativeCallError, match=message):
        Int8Encoder(layers, HEADS, EPSILON).pooled(states, torch.tensor(begin), 1)


def test_layers_that_do_not_fit_are_refused(layers: list[EncoderLayer]) -> None:
    with pytest.raises(NativeCallError, match="3 heads"):
        Int8Encoder(layers, 3, EPSILON)
    odd = replace(layers[0], expand=layers[0].attended)
    with pytest.raises(NativeCallError, match="Linear layers of"):
        Int8Encoder([odd], HEADS, EPSILON)
    with pytest.raises(NativeCallError, match="norms of"):
        Int8Encoder([replace(layers[0], output_norm_bias=torch.ones(3))], HEADS, EPSILON)


def test_weights_that_do_not_fit_are_refused() -> None:
    good = (torch.ones(16, 32), torch.ones(16), torch.ones(8, 32))
    quantise_linear(*good)
    for place, spoilt in ((0, torch.ones(15, 32)), (1, torch.ones(3)), (2, torch.ones(8, 16))):
        with pytest.raises(NativeCallError, match="multiples of 16"):
            quantise_linear(*(spoilt if n == place else one for n, one in enumerate(good)))
        broken = good[place] * float("inf")
        with pytest.raises(NativeCallError, match="not a finite number"):
            quantise_linear(*(broken if n == place else one for n, one in enumerate(good)))


def test_inputs_that_are_always_zero_do_not_spoil_the_weights() -> None:
    linear = quantise_linear(torch.ones(16, 32), torch.ones(16), torch.zeros(8, 32))
    assert all(torch.isfinite(part).all() for part in (linear.scale, linear.unscale))


def test_the_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert not int8_available()


def test_the_constants_are_those_of_the_sources() -> None:
    text = "".join((SOURCE / f"int8_{name}").read_text() for name in ("encoder.h", "linear.inc"))
    for name, value in (("GROUP", GROUP), ("PANEL", PANEL)):
        assert f"constexpr int64_t {name} = {value};" in text


def test_fields_stand_in_the_order_of_the_header() -> None:
    from models.native import int8_encoder, int8_linear

    header = (SOURCE / "int8_encoder.h").read_text()
    structures = {
        "Int8Linear": int8_linear.LinearFields,
        "Int8Layer": int8_encoder._Layer,
        "Int8Call": int8_encoder._Call,
    }
    for name, structure in structures.items():
        body = header.split(f"struct {name} {{")[1].split("};")[0]
        lines = [line.split("//")[0].strip(" ;") for line in body.splitlines()]
        fields = [line.split()[-1].lstrip("*") for line in lines if line]
        assert fields == [field[0] for field in structure._fields_]
