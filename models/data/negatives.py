"""Negatives drawn for logs that hold positives only."""

from typing import Literal

from pydantic import PositiveInt

from models.settings import Settings


class NegativesConfig(Settings):
    """How negatives are drawn beside each positive impression.

    Attributes:
        kind: ``uniform`` over the catalogue (the protocol of DIN and TIN), ``popularity``, by the
            number of train positives, or ``same_category``, uniform over the items that share the
            positive's ``category``.
        per_positive: Negatives per positive.
        category: The categorical item column ``same_category`` reads.
    """

    kind: Literal["uniform", "popularity", "same_category"] = "uniform"
    per_positive: PositiveInt = 1
    category: str | None = None
