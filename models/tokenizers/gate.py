"""The gate of a tokenizer: when a new one may replace the one whose IDs are in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from models.settings import Settings
from models.tokenizers.churn import Churn

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class TokenizerGate(Settings):
    """Rules over the whole catalogue; as they stand by default, all are met.

    Attributes:
        max_fvu: Largest share of the embeddings' variance that the codes may lose.
        min_unique_rate: Least number of different code tuples per item, before collision codes.
        min_utilisation: Least share of a level's codes in use, on the worst level.
        max_first_code_churn: Largest share of items known before whose first code may change,
            after codes are matched.
        max_churn: Largest share of them that may change any code, after codes are matched.
    """

    max_fvu: Annotated[float, Field(gt=0.0)] = 1.0
    min_unique_rate: Share = 0.0
    min_utilisation: Share = 0.0
    max_first_code_churn: Share = 1.0
    max_churn: Share = 1.0


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        approved: Whether all rules are met.
        reasons: Every rule with what was observed.
    """

    approved: bool
    reasons: tuple[str, ...]

    @property
    def objections(self) -> tuple[str, ...]:
        """The rules that are not met."""
        return tuple(reason for reason in self.reasons if reason.startswith("Not met"))


def judge(figures: Mapping[str, Any], change: Churn | None, gate: TokenizerGate) -> Verdict:
    """Return the verdict on a tokenizer.

    Args:
        figures: fvu, unique_rate, and utilisation per level.
        change: Churn against the IDs in use; ``None`` where there are none.
        gate: The rules.
    """
    rules = [
        ("variance lost", figures["fvu"], gate.max_fvu, True),
        ("different codes per item", figures["unique_rate"], gate.min_unique_rate, False),
        ("codes in use", min(figures["utilisation"]), gate.min_utilisation, False),
    ]
    if change is not None:
        rules += [
            ("items with another first code", change.first_code, gate.max_first_code_churn, True),
            ("items with any other code", change.codes, gate.max_churn, True),
        ]
    findings = [
        (observed <= bound if upper else observed >= bound, name, observed, bound, upper)
        for name, observed, bound, upper in rules
    ]
    return Verdict(
        all(met for met, *_ in findings),
        tuple(
            f"{'Met' if met else 'Not met'}: {name} {observed:.4f} "
            f"(rule: at {'most' if upper else 'least'} {bound:.4f})."
            for met, name, observed, bound, upper in findings
        ),
    )
