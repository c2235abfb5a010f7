"""What a drift report found: the verdict that programs read and the details that its page shows."""

from dataclasses import dataclass
from typing import Literal, get_args

from models.reports.verdicts import DriftColumn, Verdict
from models.reports.verdicts import DriftVerdict as ColumnVerdict

DriftGroup = Literal[
    "features", "label", "embeddings", "semantic_ids", "intent", "scores", "calibration", "quality"
]
DRIFT_GROUPS: tuple[DriftGroup, ...] = get_args(DriftGroup)


class GroupVerdict(Verdict):
    """What one group of columns has to say, in the person of its column that moved furthest.

    Attributes:
        drifted: Whether any column of the group is past its threshold.
        statistic: The distance of the column that moved furthest; None if nothing was compared.
        threshold: Where drift begins for that column.
        columns: The columns past their thresholds, furthest first.
        sentence: All of it in plain words.
    """

    drifted: bool
    statistic: float | None = None
    threshold: float | None = None
    columns: tuple[str, ...] = ()
    sentence: str = ""

    @property
    def relative(self) -> float:
        """How many times its threshold the group moved; 0 if nothing was compared."""
        if self.statistic is None or self.threshold is None:
            return 0.0
        return self.statistic / self.threshold if self.threshold > 0 else float(self.drifted)


class DriftVerdict(ColumnVerdict):
    """Whether the current window differs from the reference window, and in what.

    Attributes:
        groups: One verdict a group that was compared.
        summary: The verdict in one or two plain sentences.
        thresholds_reused: Whether the thresholds are those stored by an earlier run.
    """

    groups: dict[DriftGroup, GroupVerdict] = {}
    summary: str = ""
    thresholds_reused: bool = False


def relative(column: DriftColumn) -> float:
    """Return how many times its own threshold a column moved."""
    if column.statistic is None:
        return 0.0
    if column.threshold <= 0:
        return float(column.drifted)
    return column.statistic / column.threshold


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A value or bin of a column, and its share of either window."""

    name: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class Examples:
    """Concrete rows, values or items behind a change.

    Attributes:
        title: What they are.
        head: Names of the columns.
        rows: One line each.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One column as the page tells of it.

    Attributes:
        column: Its verdict.
        sentence: The verdict in plain words.
        shares: Its bins that changed most, in their order; empty where there are no bins.
        examples: What is behind it; empty where it has not drifted.
    """

    column: DriftColumn
    sentence: str
    shares: tuple[ShareChange, ...] = ()
    examples: tuple[Examples, ...] = ()
