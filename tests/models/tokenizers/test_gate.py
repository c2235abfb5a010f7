import json

import pytest

from models.errors import ConfigError, TokenizerError
from models.settings import parse_settings
from models.tokenizers.assignment import assign_semantic_ids, folder_hash
from models.tokenizers.churn import Churn
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.gate import TokenizerGate, judge
from models.tokenizers.semantic_ids import SemanticIds
from models.tokenizers.training import train_tokenizer
from tests.models.tokenizers.conftest import config

FIGURES = {"fvu": 0.5, "unique_rate": 0.99, "utilisation": [1.0, 0.9, 1.0]}
CHANGE = Churn(items=100, ids=0.99, prefixes=(0.2, 0.4, 0.6))


@pytest.fixture
def retrained(embedded, trained, tmp_path):
    """The IDs in use, and another tokenizer for the same items."""
    for name in ("old", "new", "other"):
        (tmp_path / name).mkdir()
    assign_semantic_ids(embedded, trained("rqvae"), tmp_path / "old")
    train_tokenizer(embedded.values, config("rqvae"), tmp_path / "other", seed=5)
    return tmp_path


def test_without_rules_everything_is_approved():
    assert judge(FIGURES, CHANGE, TokenizerGate()).approved
    assert judge(FIGURES, None, TokenizerGate(max_churn=0.0)).approved


@pytest.mark.parametrize(
    ("rule", "bound", "told"),
    [
        ("max_fvu", 0.49, "variance lost 0.5000"),
        ("min_unique_rate", 0.995, "different codes per item 0.9900"),
        ("min_utilisation", 0.95, "codes in use 0.9000"),
        ("max_first_code_churn", 0.1, "another first code 0.2000"),
        ("max_churn", 0.5, "any other code 0.6000"),
    ],
)
def test_every_rule_turns_down_what_breaks_it_and_says_why(rule, bound, told):
    verdict = judge(FIGURES, CHANGE, TokenizerGate(**{rule: bound}))
    assert not verdict.approved
    assert len(verdict.objections) == 1
    assert told in verdict.objections[0]
    assert len(verdict.reasons) == 5


def test_too_much_churn_keeps_the_tokenizer_in_use(embedded, trained, retrained):
    old = trained("rqvae")
    assign_semantic_ids(
        embedded, retrained / "other", retrained / "new", previous=retrained / "old",
        previous_tokenizer=old, gate=TokenizerGate(max_churn=0.0),
    )  # fmt: skip
    before, after = SemanticIds.open(retrained / "old"), SemanticIds.open(retrained / "new")
    assert after.table.equals(before.table)
    assert after.tokenizer_hash == folder_hash(old)
    figures = json.loads((retrained / "new" / "diagnostics.json").read_text())
    assert not figures["gate"]["approved"]
    assert figures["turned_down"] == folder_hash(retrained / "other")
    assert len(figures["churn_matched"]) == 3
    assert 0 < figures["churn_matched"][0] <= figures["churn_matched"][2] <= figures["churn"]


def test_an_approved_tokenizer_takes_over(embedded, trained, retrained):
    summary = assign_semantic_ids(
        embedded, retrained / "other", retrained / "new", previous=retrained / "old",
        previous_tokenizer=trained("rqvae"), gate=TokenizerGate(max_first_code_churn=0.9),
    )  # fmt: skip
    assert summary["gate_approved"]
    assert summary["tokenizer_hash"] == folder_hash(retrained / "other")


def test_with_nothing_to_keep_the_gate_stops_the_run(embedded, retrained):
    with pytest.raises(TokenizerError, match=r"turns the tokenizer down: Not met: variance lost"):
        assign_semantic_ids(
            embedded, retrained / "other", retrained / "new", gate=TokenizerGate(max_fvu=0.001)
        )


def test_a_tokenizer_in_use_that_no_longer_fits_is_not_kept(embedded, trained, retrained):
    with pytest.raises(TokenizerError, match=r"The one before: Not met: variance lost"):
        assign_semantic_ids(
            embedded, retrained / "other", retrained / "new", previous=retrained / "old",
            previous_tokenizer=trained("rqvae"), gate=TokenizerGate(max_fvu=0.001),
        )  # fmt: skip


def test_a_misspelt_rule_is_named():
    with pytest.raises(ConfigError, match="max_chrun"):
        parse_settings(TokenizerConfig, {"tokenizer": "rqvae", "gate": {"max_chrun": 1}}, "here")
