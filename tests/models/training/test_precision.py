import logging
import time

import pytest
import torch

from models.training import precision
from models.training.precision import Probe, float32_products, probe_products

CPU = torch.device("cpu")


def test_the_probe_is_quick_and_sees_the_error_of_short_numbers() -> None:
    probe_products.cache_clear()
    started = time.process_time()
    found = probe_products()
    assert time.process_time() - started < 1.0  # 0.05 on a free core
    assert found["highest"].error < 1e-5 < found["bf16"].error < 0.1
    assert all(probe.seconds > 0 for probe in found.values())
    assert probe_products() is found


@pytest.mark.parametrize(
    ("medium", "taken"),
    [
        (Probe(0.4, 1e-7), "medium"),
        (Probe(0.95, 1e-7), "highest"),  # no gain
        (Probe(0.2, 1e-3), "highest"),  # bfloat16 in disguise
    ],
)
def test_the_quicker_way_is_taken_where_it_is_as_exact(
    medium: Probe, taken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = {"highest": Probe(1.0, 1e-7), "medium": medium}
    monkeypatch.setattr(precision, "probe_products", lambda: found)
    with caplog.at_level(logging.INFO), float32_products("fastest", CPU):
        assert torch.get_float32_matmul_precision() == taken
    assert f"float32 products: {taken}" in caplog.text
    assert torch.get_float32_matmul_precision() == "highest"


def test_nothing_is_measured_or_changed_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "probe_products", lambda: pytest.fail("was measured"))
    with float32_products("highest", CPU), float32_products("fastest", torch.device("meta")):
        assert torch.get_float32_matmul_precision() == "highest"


def test_the_setting_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"highest": Probe(1.0, 0.0), "medium": Probe(0.1, 0.0)}
    monkeypatch.setattr(precision, "probe_products", lambda: found)
    with pytest.raises(RuntimeError, match="stop"), float32_products("fastest", CPU):
        raise RuntimeError("stop")
    assert torch.get_float32_matmul_precision() == "highest"
