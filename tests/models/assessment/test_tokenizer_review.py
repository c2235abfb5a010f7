"""A tokenizer is kept until a rule is not met."""

import json
from pathlib import Path

import pytest

from models.artifacts import write_artifact
from models.assessment.drift_verdict import DriftVerdict
from models.assessment.retraining import TokenizerRules
from models.assessment.tokenizer_review import TokenizerReview, review_tokenizer

FIGURES = {"utilisation": [0.9, 0.4], "unique_rate": 0.95, "fvu": 0.3, "items": 100}
RULES = TokenizerRules(min_utilisation=0.3, min_unique_rate=0.9, max_fvu_growth=1.5)


def review(
    folder: Path,
    rules: TokenizerRules = RULES,
    drift: DriftVerdict | None = None,
    **changes: object,
) -> TokenizerReview:
    ids, tokenizer = folder / "ids", folder / "tokenizer"
    ids.mkdir()
    (ids / "diagnostics.json").write_text(json.dumps(FIGURES | changes), encoding="utf-8")
    with write_artifact(tokenizer, "tokenizer") as draft:
        draft.summary |= {"items": 100, "fitted/fvu": 0.2, "held_out/fvu": 0.25}
    return review_tokenizer(ids, tokenizer, drift, rules)


def test_a_tokenizer_that_meets_every_rule_is_kept(tmp_path: Path) -> None:
    found = review(tmp_path)
    assert not found.renew
    assert all(reason.startswith("Met") for reason in found.reasons)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"utilisation": [0.9, 0.2]}, "codes in use 0.2000"),
        ({"unique_rate": 0.8}, "different codes per item 0.8000"),
        ({"fvu": 0.4}, "variance lost, beside then 1.6000"),
        ({"items": 300}, "items it was not trained on 0.6667"),
    ],
)
def test_each_rule_calls_for_a_new_one(
    changes: dict[str, object], reason: str, tmp_path: Path
) -> None:
    found = review(tmp_path, **changes)
    assert found.renew
    (objection,) = [told for told in found.reasons if told.startswith("Not met")]
    assert reason in objection


def test_drift_of_the_embeddings_calls_for_a_new_one_unless_it_is_not_to(tmp_path: Path) -> None:
    moved = {"drifted": True, "sentence": "Another encoder."}
    drift = DriftVerdict.model_validate(
        {"drifted": True, "columns": [], "reference_rows": 1, "current_rows": 1,
         "groups": {"embeddings": moved}}
    )  # fmt: skip
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert review(tmp_path / "a", drift=drift).renew
    deaf = RULES.model_copy(update={"when_embeddings_drift": False})
    assert not review(tmp_path / "b", deaf, drift).renew
