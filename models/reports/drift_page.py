"""The page of the drift report: which columns of the newest window moved, and how far."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from models.reports.blocks import (
    count,
    figure,
    figures,
    first,
    mark,
    number,
    table,
    write_page,
)
from models.reports.charts import Row, level_bars
from models.reports.page import Headline, Html, Section, render_page
from models.reports.results import Estimate
from models.reports.verdicts import (
    DriftColumn,
    DriftVerdict,
)

FURTHEST_SHOWN = 4.0  # thresholds; what is further off ends at the edge of the figure
TITLES = {"semantic_ids": "Semantic IDs"}


def write_drift_page(
    folder: Path,
    verdict: DriftVerdict,
    *,
    facts: Mapping[str, object] | None = None,
    name: str = "summary.html",
) -> Path:
    """Write the page of a drift verdict into ``folder`` and return its path."""
    groups = [
        (group, list(columns))
        for group, columns in groupby(
            sorted(verdict.columns, key=lambda c: c.group), key=lambda c: c.group
        )
    ]
    top = min(max([1.2, *map(_relative, verdict.columns)]), FURTHEST_SHOWN)
    sections = [
        Section(
            "How far each column moved",
            figures([_drift_figure(group, columns, top) for group, columns in groups]),
            "Bars are each column's distance over its own threshold: past the dashed line at 1 "
            "it counts as drift.",
        ),
        Section("All columns", _drift_table(verdict.columns)),
    ]
    html = render_page(
        "Does the newest window look like the reference?",
        sections if verdict.columns else [],
        verdict=_drift_headline(verdict),
        facts=facts,
        kicker="intentflow · drift",
    )
    return write_page(folder, name, html)


def _drift_headline(verdict: DriftVerdict) -> Headline:
    drifted = [column for column in verdict.columns if column.drifted]
    windows = ""
    if verdict.reference_rows is not None and verdict.current_rows is not None:
        windows = (
            f"{count(verdict.current_rows)} newest rows against "
            f"{count(verdict.reference_rows)} reference rows."
        )
    details = tuple(line for line in (*first(verdict.reasons, 5), windows) if line)
    if not verdict.columns:
        return Headline("The windows were not compared.", details, "mixed")
    words = f"{len(drifted)} of {len(verdict.columns)} columns moved past their threshold"
    if verdict.drifted:
        return Headline(f"The newest window has drifted: {words}.", details, "bad")
    if drifted:
        return Headline(f"No drift that calls for action, though {words}.", details, "mixed")
    return Headline(
        f"No drift: all {len(verdict.columns)} columns are within their thresholds.",
        details,
        "good",
    )


def _drift_figure(group: str, columns: Sequence[DriftColumn], top: float) -> Html:
    ordered = sorted(columns, key=lambda c: -_relative(c))
    shown = ordered[:12]
    rows = [
        Row(
            column.name if len(column.name) <= 20 else column.name[:19] + "…",
            Estimate(value=min(_relative(column), top)),
            note="–" if column.statistic is None else number(column.statistic, 3),
            style="bad" if column.drifted else "model",
        )
        for column in shown
    ]
    rest = len(columns) - len(shown)
    caption = f"The {rest} columns that moved least are only in the table." if rest else ""
    chart = level_bars(rows, f"Drift of the {group} columns", top=top, threshold=1.0)
    moved = sum(column.drifted for column in columns)
    return figure(
        TITLES.get(group, group.capitalize()), f"{moved} of {len(columns)} drifted", chart, caption
    )


def _relative(column: DriftColumn) -> float:
    """Return the statistic over its threshold; for p-values, low is far, so it is turned round."""
    if column.statistic is None:
        return 0.0
    if "p_value" in column.method.lower() or "p-value" in column.method.lower():
        return column.threshold / max(column.statistic, 1e-9)
    return column.statistic / column.threshold if column.threshold else float(column.drifted)


def _drift_table(columns: Sequence[DriftColumn]) -> Html:
    rows = [
        [
            column.name,
            column.group,
            mark("drifted", "bad") if column.drifted else mark("same", "good"),
            number(column.statistic),
            number(column.threshold),
            column.method,
            column.reference or "–",
            column.current or "–",
        ]
        for column in sorted(columns, key=lambda c: (not c.drifted, c.group, c.name))
    ]
    head = ["Column", "Group", "Verdict", "Distance", "Threshold", "Method", "Reference", "Newest"]
    return table(head, rows)
