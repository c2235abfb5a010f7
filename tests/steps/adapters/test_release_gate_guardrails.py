"""Guardrails of the gate: what a challenger must hold besides ranking better."""

from pathlib import Path
from typing import Any

import pytest

from models.reports.verdicts import GroupGain, Observed, Rule
from models.settings import load_settings
from steps.adapters.release_config import GateConfig, ReleaseConfig
from steps.adapters.release_gate import decide, judge
from tests.steps.adapters.test_release_gate import comparison, evaluation

ROOT = Path(__file__).resolve().parents[3]
GROUPS = (
    GroupGain(group="by length: 0", impressions=900, difference=-0.05, low=-0.1, high=-0.03),
    GroupGain(group="by length: 1", impressions=80, difference=-0.5, low=-0.9, high=-0.3),
    GroupGain(group="by length: 2", impressions=900, difference=0.1, low=0.0, high=0.2),
)
SEEN = Observed(
    ece=0.05, champion_ece=0.045, groups=GROUPS, latency_ms=30.0, champion_latency_ms=20.0,
    latency_candidates=100, size_mb=40.0, parity=2e-7, parity_examples=64, drifted=("label",),
    tokenizer="a" * 64, champion_tokenizer="a" * 64,
)  # fmt: skip


def ruled(rule: dict[str, Any], **seen: Any) -> tuple[bool, Rule]:
    """Return the gate's decision and what it says of the one rule added."""
    shown = comparison().model_copy(update={"observed": SEEN.model_copy(update=seen)})
    verdict = decide(shown, evaluation(), GateConfig.model_validate(rule))
    (found,) = [r for r in verdict.rules if r.name in rule]
    return verdict.promote, found


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ({"max_ece_rise": 0.01}, "0.0500 against 0.0450"),
        ({"max_group_loss": 0.03, "min_group_impressions": 100}, "worst of 2 groups, by length: 0"),
        ({"max_latency_ms": 30.0}, "within 30.0 ms"),
        ({"max_latency_ratio": 1.5}, "the champion's within 20.0 ms"),
        ({"max_size_mb": 40.0}, "Bento of 40.00 MB"),
        ({"parity": 1e-6}, "2.0e-07 on 64 test impressions"),
        ({"block_on_drift": ["embeddings"]}, "drift of label"),
        ({"same_tokenizer": True}, "aaaaaaaaaaaa, in use aaaaaaaaaaaa"),
    ],
)
def test_a_guardrail_that_holds_tells_its_numbers(rule: dict[str, Any], numbers: str) -> None:
    promoted, found = ruled(rule)
    assert promoted
    assert found.met
    assert numbers in found.observed


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ({"max_ece_rise": 0.004}, "0.0500 against 0.0450"),
        ({"max_group_loss": 0.02, "min_group_impressions": 100}, "-0.0500, 95 % interval -0.1000"),
        ({"max_group_loss": 0.1, "min_group_impressions": 80}, "by length: 1 (80 impressions)"),
        ({"max_latency_ms": 29.9}, "within 30.0 ms"),
        ({"max_latency_ratio": 1.4}, "within 20.0 ms"),
        ({"max_size_mb": 39.9}, "40.00 MB"),
        ({"parity": 1e-7}, "2.0e-07"),
        ({"block_on_drift": ["embeddings", "label"]}, "drift of label"),
    ],
)
def test_one_guardrail_not_met_keeps_the_challenger_back(
    rule: dict[str, Any], numbers: str
) -> None:
    promoted, found = ruled(rule)
    assert not promoted
    assert found.sentence.startswith("Not met: ")
    assert numbers in found.sentence


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ({"max_ece_rise": 0.1}, {"champion_ece": None}),
        ({"max_latency_ms": 100.0}, {"latency_ms": None}),
        ({"max_latency_ratio": 9.0}, {"champion_latency_ms": None}),
        ({"max_size_mb": 100.0}, {"size_mb": None}),
        ({"parity": 0.1}, {"parity": None}),
        ({"block_on_drift": ["label"]}, {"drifted": None}),
        ({"same_tokenizer": True}, {"tokenizer": None}),
    ],
)
def test_a_guardrail_without_evidence_is_not_met(
    rule: dict[str, Any], missing: dict[str, Any]
) -> None:
    assert not ruled(rule, **missing)[0]


def test_another_tokenizer_is_kept_back_and_a_first_one_is_not() -> None:
    assert not ruled({"same_tokenizer": True}, champion_tokenizer="b" * 64)[0]
    assert ruled({"same_tokenizer": True}, champion_tokenizer="")[0]


def test_no_group_is_looked_at_where_all_are_small() -> None:
    promoted, found = ruled({"max_group_loss": 0.0, "min_group_impressions": 10_000})
    assert promoted
    assert "no group of impressions has 10000" in found.observed


def test_the_first_version_is_held_to_its_own_guardrails_alone() -> None:
    alone = comparison().model_copy(update={"champion": None, "observed": SEEN})
    rules = {"max_ece_rise": 0.0, "max_group_loss": 0.0, "max_latency_ratio": 0.1, "parity": 1e-6}
    verdict = decide(alone, evaluation(), GateConfig.model_validate(rules))
    assert verdict.promote
    assert {rule.name for rule in verdict.rules} >= {"primary", "parity"}


@pytest.mark.parametrize("then", ["promote", "stage"])
def test_the_configuration_says_what_becomes_of_an_approved_version(then: str) -> None:
    config = ReleaseConfig.model_validate({"on_approval": then})
    assert judge(comparison(), evaluation(), config).then == then


def test_the_guarded_gate_has_every_rule_in_force() -> None:
    guarded = load_settings(ReleaseConfig, ROOT / "configs" / "release" / "guarded.yaml")
    unused = [name for name, value in guarded.gate if value is None or value is False]
    assert not unused
    assert guarded.on_approval == "stage"
