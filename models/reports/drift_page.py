"""The page of the drift report: what changed most comes first, in plain words, with examples."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from models.reports.blocks import (
    count,
    figures,
    first,
    join,
    mark,
    number,
    table,
    text,
    write_page,
)
from models.reports.drift_figures import distance_figure, reach, shares_figure
from models.reports.drift_results import Change, DriftVerdict, GroupVerdict, relative
from models.reports.page import Headline, Html, Section, render_page
from models.reports.verdicts import DriftColumn
from models.reports.verdicts import DriftVerdict as ColumnVerdict

TITLES = {
    "features": "Features",
    "label": "Clicks",
    "embeddings": "Embeddings",
    "semantic_ids": "Semantic IDs",
    "intent": "Intent",
    "scores": "Scores",
    "calibration": "Calibration",
    "quality": "Quality",
}
MEANINGS = {
    "features": "What was shown, to whom and when.",
    "label": "How often what is shown is clicked.",
    "embeddings": "Where the items shown and clicked lie in the space of their embeddings.",
    "semantic_ids": "How often each code of the items' semantic IDs occurs, level by level.",
    "intent": "How similar what is shown, and what is clicked, is to the trigger.",
    "scores": "What the model predicts.",
    "calibration": "Whether predicted click rates are those observed.",
    "quality": "Whether the model still ranks and predicts as well as on the reference.",
}
EXAMPLES = "Examples"
_PICTURED = 4  # columns of a group whose values are drawn


def write_drift_page(
    folder: Path,
    verdict: ColumnVerdict,
    changes: Sequence[Change] = (),
    *,
    facts: Mapping[str, object] | None = None,
    name: str = "summary.html",
) -> Path:
    """Write the page of a drift verdict into ``folder`` and return its path.

    Args:
        folder: Where it goes.
        verdict: What programs read.
        changes: What is behind it, where that is known.
        facts: What reproduces it.
        name: Name of the file.
    """
    html = render_page(
        "Does the newest window look like the reference?",
        _sections(verdict, changes) if verdict.columns else [],
        verdict=_headline(verdict),
        facts=facts,
        kicker="intentflow · drift",
    )
    return write_page(folder, name, html)


def _sections(verdict: ColumnVerdict, changes: Sequence[Change]) -> list[Section]:
    """Return the parts of the page: groups by how far they moved, then examples and the table."""
    groups: dict[str, list[DriftColumn]] = {}
    for column in sorted(verdict.columns, key=relative, reverse=True):
        groups.setdefault(column.group, []).append(column)
    told: dict[str, GroupVerdict] = {}
    if isinstance(verdict, DriftVerdict):
        told.update((str(group), found) for group, found in verdict.groups.items())
    by_name = {change.column.name: change for change in changes}
    top = reach(verdict.columns)
    sections = [_overview(groups, told)] if told else []
    sections += [
        Section(_title(group), _group_body(group, columns, by_name, top), _lead(group, told))
        for group, columns in groups.items()
    ]
    explained = [change for change in changes if change.examples]
    if explained:
        sections.append(
            Section(
                EXAMPLES,
                join(*map(_examples, explained)),
                "Rows, values and items behind the changes; rows are drawn at random.",
            )
        )
    return [*sections, Section("All columns", _table(verdict.columns))]


def _headline(verdict: ColumnVerdict) -> Headline:
    drifted = [column for column in verdict.columns if column.drifted]
    windows = ""
    if verdict.reference_rows is not None and verdict.current_rows is not None:
        windows = (
            f"{count(verdict.current_rows)} newest rows against "
            f"{count(verdict.reference_rows)} reference rows."
        )
    details = tuple(line for line in (*first(verdict.reasons, 4), windows) if line)
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


def _overview(
    groups: Mapping[str, Sequence[DriftColumn]], told: Mapping[str, GroupVerdict]
) -> Section:
    rows = [
        [
            Html(f'<a href="#{Section(_title(group)).anchor}">{escape(_title(group))}</a>'),
            _mark(told[group].drifted),
            f"{max(told[group].relative, 0.0):.2f} ×",
            ", ".join(told[group].columns) or "–",
        ]
        for group in groups
        if group in told
    ]
    head = ["", "Verdict", "Of what is allowed", "What moved"]
    lead = "What changed most stands first, here and below."
    return Section("At a glance", table(head, rows), lead)


def _lead(group: str, told: Mapping[str, GroupVerdict]) -> str:
    sentence = told[group].sentence if group in told else ""
    return f"{MEANINGS.get(group, '')} {sentence}".strip()


def _group_body(
    group: str, columns: Sequence[DriftColumn], changes: Mapping[str, Change], top: float
) -> Html:
    """Return bars of all columns beside the values of those that drifted."""
    shown = [changes[c.name] for c in columns if c.name in changes and c.drifted]
    if not shown and columns[0].name in changes:
        shown = [changes[columns[0].name]]
    pictures = [shares_figure(change) for change in shown[:_PICTURED] if change.shares]
    explained = [change.column for change in shown if change.examples]
    links = ", ".join(
        f'<a href="#{_anchor(column)}">{escape(column.name)}</a>' for column in explained
    )
    below = Html(f'<p class="note">Examples: {links}</p>') if links else Html()
    caption = text(
        "Bars are each column's distance over its own threshold: past the dashed line at 1 it "
        "counts as drift.",
        "note",
    )
    return join(figures([distance_figure(_title(group), columns, top), *pictures]), caption, below)


def _examples(change: Change) -> Html:
    parts = [Html(f'<h3 id="{_anchor(change.column)}">{escape(change.column.name)}</h3>')]
    parts.append(text(change.sentence))
    for example in change.examples:
        rows = [list(row) for row in example.rows]
        parts += [text(example.title, "note"), table(example.head, rows)]
    back = Section(_title(change.column.group)).anchor
    parts.append(Html(f'<p class="note"><a href="#{back}">Back to what it belongs to</a></p>'))
    return join(*parts)


def _table(columns: Sequence[DriftColumn]) -> Html:
    rows = [
        [
            column.name,
            _title(column.group),
            _mark(column.drifted),
            number(column.statistic),
            number(column.threshold),
            column.method,
            column.reference or "–",
            column.current or "–",
        ]
        for column in sorted(columns, key=lambda c: (not c.drifted, -relative(c), c.name))
    ]
    head = ["Column", "Group", "Verdict", "Distance", "Threshold", "Method", "Reference", "Newest"]
    return table(head, rows)


def _mark(drifted: bool) -> Html:
    return mark("drifted", "bad") if drifted else mark("same", "good")


def _title(group: str) -> str:
    return TITLES.get(group, group.capitalize())


def _anchor(column: DriftColumn) -> str:
    """Return the address of a column's examples; names that differ in signs alone differ too."""
    words = re.sub(r"[^a-z0-9]+", "-", column.name.lower()).strip("-")
    return f"examples-{words}-{sum(map(ord, column.name))}"
