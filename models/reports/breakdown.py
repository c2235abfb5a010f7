"""The group tables of an evaluation: which groups there are, and what to call them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from models.metrics.groups import (
    DIVERSITY_BANDS,
    HISTORY_BANDS,
    ITEM_BANDS,
    bands,
    equal_groups,
    group_table,
)
from models.reports.inputs import EvaluationInput
from models.reports.results import GroupTable

VOLATILITY = ("calm third", "middle third", "volatile third")


@dataclass(frozen=True, slots=True)
class Grouping:
    """A way to split the impressions."""

    name: str
    title: str
    about: str
    codes: Int[ndarray, " N"]
    names: Sequence[str]


def group_tables(
    data: EvaluationInput,
    base_probability: Float[ndarray, " N"] | None,
    bootstrap: int,
    seed: int,
) -> list[GroupTable]:
    """Return a table for each grouping the data allow."""
    return [
        GroupTable(
            name=grouping.name,
            title=grouping.title,
            about=grouping.about,
            rows=[
                {name: _plain(value) for name, value in row.items()}
                for row in group_table(
                    data.labels,
                    data.probability,
                    data.users,
                    grouping.codes,
                    grouping.names,
                    base_probability=base_probability,
                    repeats=bootstrap,
                    seed=seed,
                ).to_dicts()
            ],
        )
        for grouping in _groupings(data)
    ]


def _groupings(data: EvaluationInput) -> Iterator[Grouping]:
    if data.population is not None:
        names, codes = np.unique(data.population.astype(str), return_inverse=True)
        yield Grouping(
            "population",
            "By population",
            "The user populations that the data set itself names.",
            codes,
            [str(name) for name in names],
        )
    if data.intent_diversity is not None:
        yield Grouping(
            "intent_diversity",
            "By diversity of intent",
            "Distinct kinds a user clicked in one request besides the trigger's own kind, mean "
            "over the last week of training (DAIAN, Figure 6); without clicks then, no group.",
            *bands(np.round(data.intent_diversity), DIVERSITY_BANDS),
        )
    if data.volatility is not None:
        yield Grouping(
            "volatility",
            "By volatility of interest",
            "Share of steps in the history where the next event is of another kind than the one "
            "before, in thirds.",
            equal_groups(data.volatility, VOLATILITY),
            VOLATILITY,
        )
    if data.history_length is not None:
        yield Grouping(
            "history_length",
            "By length of history",
            "Events in the user's history before the impression.",
            *bands(data.history_length, HISTORY_BANDS),
        )
    if data.item_train_count is not None:
        yield Grouping(
            "item_train_count",
            "By how well the item is known",
            "Training impressions of the shown item; an item with 0 is cold.",
            *bands(data.item_train_count, ITEM_BANDS),
        )


def _plain(value: object) -> str | int | float | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int) else None
