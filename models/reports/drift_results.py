"""What a drift report found: the verdict that programs read and the details that its page shows."""

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

    @property
    def furthest_first(self) -> tuple[DriftColumn, ...]:
        """The columns by how many times their threshold they moved."""
        return tuple(sorted(self.columns, key=relative, reverse=True))


def relative(column: DriftColumn) -> float:
    """Return how many times its own threshold a column moved."""
    if column.statistic is None:
        return 0.0
    if column.threshold <= 0:
        return float(column.drifted)
    return column.statistic / column.threshold
