"""Which float32 matrix products to train with, found by measuring this machine.

`torch.set_float32_matmul_precision("medium")` sends products to oneDNN on a CPU. On some processors
that is twice as quick with an error of 1e-7, on some it is no gain, and on some it means bfloat16.
A choice that hangs on a clock differs from process to process, and with it the last bits of every
weight: it is therefore asked for, never the default.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Products = Literal["highest", "fastest"]

_LOG = logging.getLogger(__name__)
_LEAST_GAIN, _LARGEST_ERROR = 1.2, 1e-5
_REPEATS = 5


class Probe(NamedTuple):
    """What a way to multiply costs.

    Attributes:
        seconds: CPU time of some products of the shapes of a training step.
        error: Largest error against float64, as a share of the largest value.
    """

    seconds: float
    error: float


@cache
def probe_products() -> dict[str, Probe]:
    """Return what products cost in float32 ``highest`` and ``medium``, and in ``bf16``.

    Measured once a process, in about 50 ms, on one head layer and one block of attention.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = (((512, 256), (256, 128)), ((32, 50, 17), (32, 17, 128)), ((1600, 128), (128,)))
    inputs = [
        (torch.randn(left, generator=generator), torch.randn(right, generator=generator))
        for left, right in shapes
    ]
    exact = [torch.matmul(left.double(), right.double()) for left, right in inputs]
    found = {}
    for name in ("highest", "medium"):
        with _precision(name):
            found[name] = _measured(lambda: [torch.matmul(*pair) for pair in inputs], exact)
    short = [(left.bfloat16(), right.bfloat16()) for left, right in inputs]
    found["bf16"] = _measured(lambda: [torch.matmul(*pair) for pair in short], exact)
    return found


@contextmanager
def float32_products(wanted: Products, device: torch.device) -> Iterator[None]:
    """Multiply as ``wanted`` while the block runs, and as before after it.

    Args:
        wanted: ``highest`` changes nothing; ``fastest`` takes ``medium`` on a CPU where it is at
            least 1.2 times as quick with an error of at most 1e-5.
        device: Where the model is.
    """
    if wanted == "highest" or device.type != "cpu":
        yield
        return
    found = probe_products()
    gain = found["highest"].seconds / max(found["medium"].seconds, 1e-9)
    taken = gain >= _LEAST_GAIN and found["medium"].error <= _LARGEST_ERROR
    name = "medium" if taken else "highest"
    error = found["medium"].error
    _LOG.info("float32 products: %s (medium is %.1f × as quick, error %.0e)", name, gain, error)
    with _precision(name):
        yield


@contextmanager
def _precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _measured(products: Callable[[], list[Tensor]], exact: list[Tensor]) -> Probe:
    results = products()
    errors = [
        float((result.double() - right).abs().max() / right.abs().max())
        for result, right in zip(results, exact, strict=True)
    ]
    seconds = []
    for _ in range(_REPEATS):
        started = time.process_time()
        products()
        seconds.append(time.process_time() - started)
    return Probe(min(seconds), max(errors))
