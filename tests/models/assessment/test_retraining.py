"""Skip, warm start or full training: every rule decides, and says so in numbers."""

import pytest

from models.assessment.drift_verdict import DriftVerdict, GroupVerdict
from models.assessment.retraining import (
    Champion,
    Decision,
    DecisionRules,
    RetrainingConfig,
    decide,
    recipe_of,
)
from models.data.watermark import DAY_S, Window, WindowRules

END = 100 * DAY_S
CONFIG = RetrainingConfig(
    window=WindowRules(train_days=7, valid_days=1, test_days=1),
    decision=DecisionRules(min_fresh=100, full_every_days=7, full_when_drifted=("embeddings",)),
)
WINDOW = Window(
    start_s=END - 9 * DAY_S, end_s=END, watermark_s=END, impressions=5000, fresh=500, late=7
)
CHAMPION = Champion(
    model_hash="abc", recipe="r", trained_until_s=END - 3 * DAY_S, full_until_s=END - 5 * DAY_S
)


def verdict(group: str = "features", *, drifted: bool = False) -> DriftVerdict:
    told = GroupVerdict(drifted=drifted, sentence=f"The {group} moved.")
    return DriftVerdict.model_validate(
        {
            "drifted": drifted,
            "columns": [],
            "reference_rows": 10,
            "current_rows": 10,
            "groups": {group: told.model_dump()},
            "summary": f"{group}: {drifted}.",
        }
    )


def decided(**changes: object) -> Decision:
    given = {"window": WINDOW, "champion": CHAMPION, "drift": None, "config": CONFIG, "recipe": "r"}
    return decide(**(given | changes))  # type: ignore[arg-type]


def test_without_a_champion_the_training_is_full() -> None:
    assert decided(champion=None).kind == "full"
    assert "No version is in production" in decided(champion=None).sentence


def test_a_known_champion_is_gone_on_from_what_it_has_not_seen() -> None:
    decision = decided(drift=verdict())
    assert decision.kind == "warm"
    assert decision.since_s == CHAMPION.trained_until_s
    assert decision.full_until_s == CHAMPION.full_until_s
    assert "500 new impressions, 7 of them late." in decision.sentence


def test_too_few_new_impressions_are_skipped() -> None:
    few = WINDOW.model_copy(update={"fresh": 99})
    assert decided(window=few).kind == "skip"
    assert "99 new impressions (rule: at least 100)." in decided(window=few).sentence


def test_a_champion_that_has_seen_the_window_is_left_alone() -> None:
    seen = CHAMPION.model_copy(update={"trained_until_s": END - 2 * DAY_S})
    assert decided(champion=seen).kind == "skip"
    assert "already" in decided(champion=seen).sentence


def test_where_only_drift_counts_its_absence_skips() -> None:
    rules = CONFIG.decision.model_copy(update={"only_when_drifted": True})
    config = CONFIG.model_copy(update={"decision": rules})
    assert decided(config=config, drift=verdict()).kind == "skip"
    assert decided(config=config, drift=verdict(drifted=True)).kind == "warm"
    assert decided(config=config, drift=verdict(), renewed=True).kind == "full"
    assert decided(config=config).kind == "warm"  # drift is not known yet: look on


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipe": "another"}, "settings of data, encoder, intents or model differ"),
        ({"champion": Champion(model_hash="abc")}, "another pipeline trained it"),
        (
            {"champion": CHAMPION.model_copy(update={"full_until_s": END - 9 * DAY_S})},
            "ends 7.0 days before this one would (rule: every 7)",
        ),
        ({"drift": verdict("embeddings", drifted=True)}, "Drift of embeddings: The embeddings"),
        ({"renewed": True}, "new tokenizer"),
    ],
)
def test_what_a_warm_start_cannot_cure_is_trained_in_full(
    changes: dict[str, object], reason: str
) -> None:
    decision = decided(**changes)
    assert decision.kind == "full"
    assert reason in decision.sentence
    assert decision.since_s is None


def test_drift_that_a_warm_start_cures_keeps_it() -> None:
    assert decided(drift=verdict("features", drifted=True)).kind == "warm"


def test_a_recipe_sees_what_matters_for_a_warm_start_and_nothing_else() -> None:
    plan = {
        "dataset": {"adapter": "generic", "settings": {}, "examples": {"history_length": 5}},
        "encoder": {"encoder": "minilm"},
        "intents": {"levels": 6},
        "model": {"model": "din", "settings": {"head": [8]}, "training": {"max_epochs": 3}},
    }
    recipe = recipe_of(plan)
    longer = {**plan, "model": {**plan["model"], "training": {"max_epochs": 9}}}
    split = {**plan["dataset"], "examples": {"history_length": 5, "split": {"kind": "days"}}}
    assert recipe == recipe_of(longer) == recipe_of({**plan, "dataset": split})
    wider = {**plan, "model": {**plan["model"], "settings": {"head": [16]}}}
    assert recipe != recipe_of(wider)
    assert recipe != recipe_of({**plan, "encoder": {"encoder": "qwen_vl"}})
