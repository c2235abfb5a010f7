from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigError
from models.reports.evaluation import Evaluation
from models.reports.results import Estimate
from models.reports.verdicts import Comparison, MetricDifference
from models.settings import load_settings, parse_settings
from steps.adapters.release_config import GateConfig, ReleaseConfig
from steps.adapters.release_gate import decide

ROOT = Path(__file__).resolve().parents[3]
GATE = GateConfig(
    tolerances={"gauc": 0.01, "log_loss": 0.02}, min_auc=0.6, max_ece=0.1, min_examples=100
)


def evaluation(
    auc: float | None = 0.7, ece: float | None = 0.05, examples: int = 500
) -> Evaluation:
    return Evaluation(
        model="daian", examples=examples, users=50, requests=None, clicks=100, users_counted=40,
        users_skipped=10, impressions_counted=400, bootstrap=200, seed=1,
        metrics={"auc": Estimate(value=auc), "ece": Estimate(value=ece)},
    )  # fmt: skip


def difference(metric: str, low: float, value: float, high: float) -> MetricDifference:
    return MetricDifference(
        metric=metric, challenger=0.7, champion=0.7 - value, difference=value, low=low, high=high,
        higher_is_better=metric != "log_loss",
    )  # fmt: skip


def comparison(**gains: tuple[float, float, float]) -> Comparison:
    gains = {"auc": (0.001, 0.01, 0.02), "gauc": (-0.005, 0.01, 0.02),
             "log_loss": (-0.03, -0.01, 0.01)} | gains  # fmt: skip
    return Comparison(
        promote=False, reasons=(), challenger="b", champion="a",
        metrics=tuple(difference(name, *gain) for name, gain in gains.items()),
    )  # fmt: skip


def test_a_clear_winner_is_promoted_with_a_reason_for_every_rule() -> None:
    verdict = decide(comparison(), evaluation(), GATE)
    assert verdict.promote
    assert len(verdict.reasons) == 6
    assert all(reason.startswith("Met: ") for reason in verdict.reasons)
    assert "+0.0100, 95 % interval +0.0010 to +0.0200" in verdict.reasons[3]
    assert verdict.metrics == comparison().metrics


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ({"auc": (0.0, 0.01, 0.02)}, "gain in auc"),
        ({"auc": (-0.01, 0.01, 0.03)}, "gain in auc"),
        ({"gauc": (-0.02, 0.01, 0.03)}, "gain in gauc"),
        ({"log_loss": (-0.01, 0.0, 0.03)}, "gain in log_loss"),
    ],
)
def test_one_rule_not_met_keeps_the_champion(gains: dict[str, Any], word: str) -> None:
    verdict = decide(comparison(**gains), evaluation(), GATE)
    assert not verdict.promote
    (reason,) = [reason for reason in verdict.reasons if reason.startswith("Not met: ")]
    assert word in reason


def test_a_fall_of_a_loss_is_a_gain() -> None:
    gate = GATE.model_copy(update={"primary": "log_loss", "tolerances": {}})
    assert decide(comparison(log_loss=(-0.03, -0.02, -0.01)), evaluation(), gate).promote
    assert not decide(comparison(log_loss=(0.01, 0.02, 0.03)), evaluation(), gate).promote


def test_a_negative_least_gain_accepts_a_model_that_is_not_worse() -> None:
    even = comparison(auc=(-0.004, 0.0, 0.004))
    assert not decide(even, evaluation(), GATE).promote
    assert decide(even, evaluation(), GATE.model_copy(update={"min_gain": -0.005})).promote


def test_the_same_model_again_is_not_promoted() -> None:
    same = comparison(auc=(0.0, 0.0, 0.0), gauc=(0.0, 0.0, 0.0), log_loss=(0.0, 0.0, 0.0))
    assert not decide(same, evaluation(), GATE).promote


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"auc": 0.55}, "test AUC 0.5500"),
        ({"auc": None}, "test AUC unknown"),
        ({"ece": 0.2}, "calibration error 0.2000"),
        ({"ece": None}, "calibration error unknown"),
        ({"examples": 99}, "99 test impressions"),
    ],
)
def test_guardrails_hold_for_the_first_version_too(changes: dict[str, Any], word: str) -> None:
    first = Comparison(promote=False, reasons=(), challenger="b")
    assert decide(first, evaluation(), GATE).promote
    verdict = decide(first, evaluation(**changes), GATE)
    assert not verdict.promote
    assert any(reason.startswith(f"Not met: {word}") for reason in verdict.reasons)


def test_a_metric_that_could_not_be_compared_promotes_nobody() -> None:
    unknown = comparison().model_copy(update={"metrics": ()})
    verdict = decide(unknown, evaluation(), GATE)
    assert not verdict.promote
    assert "gain in auc is unknown" in " ".join(verdict.reasons)


def test_the_shipped_gate_is_stricter_than_none() -> None:
    shipped = load_settings(ReleaseConfig, ROOT / "configs" / "release" / "default.yaml").gate
    assert shipped.min_auc > 0.5
    assert shipped.max_ece < 1.0
    assert set(shipped.tolerances) == {"gauc", "log_loss"}


def test_the_docs_show_the_shipped_gate() -> None:
    page = (ROOT / "docs" / "how-to" / "promote-and-roll-back.md").read_text()
    assert (ROOT / "configs" / "release" / "default.yaml").read_text() in page


@pytest.mark.parametrize(
    "wrong",
    [{"primary": "accuracy"}, {"min_auc": 2}, {"tolerances": {"gauc": -1}}, {"min_gains": 0.1},
     {"min_gain": 3}],
)  # fmt: skip
def test_a_wrong_rule_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        parse_settings(ReleaseConfig, {"gate": wrong}, "release.yaml")
