"""What an evaluation is told of each example, against what the log holds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.assessment.predictions import Evidence, evaluation_input
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from models.data.schema import DatasetSpec
from models.data.splits import SplitConfig
from models.data.tables import Tables
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.training.scoring import Scores

DAY_S, START_S = 86_400, 1_600_000_000
BRANDS = {10: "own", 20: "shoes", 30: "hats", 40: "bags"}
OWN, OTHERS = 10, [20, 30, 40]
# user → (day, items clicked after the trigger 10): user 1 was broad long ago, user 2 is so now,
# user 3 is not there in the last week, and all are back on the days of valid and test.
CLICKS = {
    1: [(1, [20, 30, 40]), (2, [20, 30]), (10, [OWN]), (12, [20]), (14, [OWN]), (15, [OWN])],
    2: [(1, [OWN]), (11, [20, 30]), (13, [30, 40, OWN]), (14, [20]), (15, [20])],
    3: [(2, [20, 30]), (14, [20]), (15, [20])],
}
EARLY = CLICKS | {3: [(2, [20, 30]), (4, [20]), (6, [20])]}


def shop(clicks: dict[int, list[tuple[int, list[int]]]]) -> Tables:
    """Every request shows all four items after a trigger; ``clicks`` says what is clicked."""
    rows = [
        (user, item, START_S + day * DAY_S + user, int(item in clicked), user * 100 + day, OWN)
        for user, requests in clicks.items()
        for day, clicked in requests
        for item in BRANDS
    ]
    names = ["user_id", "item_id", "timestamp", "label", "request_id", "trigger_item_id"]
    impressions = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("label").cast(pl.Int8), pl.int_range(pl.len()).alias("impression_id")
    )
    positives = impressions.filter(pl.col("label") == 1)
    titles = [f"item {item}" for item in BRANDS]
    return Tables(
        spec=DatasetSpec(name="shop", item_text=("title",), item_fields=("brand",)),
        items=pl.DataFrame({"item_id": [*BRANDS], "title": titles, "brand": [*BRANDS.values()]}),
        users=pl.DataFrame({"user_id": [*clicks]}),
        impressions=impressions,
        behaviours=positives.select("user_id", "item_id", "timestamp").with_columns(
            pl.lit("click").alias("kind")
        ),
    )


def evidence_of(tables: Tables, split: SplitConfig, folder: Path) -> Evidence:
    build_example_store(tables, ExamplesConfig(split=split), folder / "examples", seed=1)
    store = ExampleStore.open(folder / "examples")
    (folder / "intents").mkdir()
    content = np.random.default_rng(0).normal(size=(store.spec.num_items, 4)).astype(np.float32)
    bin_intents(store, content, IntentConfig(), folder / "intents")
    return Evidence(store, IntentLabels.open(folder / "intents"))


def diversity_of_users(evidence: Evidence) -> dict[int, float]:
    rows = evidence.store.rows("test")
    scores = Scores(np.full(len(rows), 0.5), np.zeros(len(rows)), None)
    data = evaluation_input(evidence, rows, "none", scores)
    assert data.intent_diversity is not None
    users = evidence.store.user_ids.gather(data.users).to_list()
    return dict(zip(users, data.intent_diversity.tolist(), strict=True))


def test_diversity_is_that_of_the_last_week_of_training(tmp_path: Path) -> None:
    evidence = evidence_of(shop(CLICKS), SplitConfig(kind="days"), tmp_path)
    # Training ends on day 13: users 1 and 2 have two requests in the week before, user 3 none.
    assert diversity_of_users(evidence) == pytest.approx({1: 0.5, 2: 2.0, 3: np.nan}, nan_ok=True)


def test_where_users_are_cut_apart_each_has_a_last_week_of_its_own(tmp_path: Path) -> None:
    evidence = evidence_of(shop(EARLY), SplitConfig(kind="leave_one_out"), tmp_path)
    # Valid and test are the last two requests of each user: user 3's training is day 2 alone.
    assert diversity_of_users(evidence) == pytest.approx({1: 0.5, 2: 2.0, 3: 2.0})
