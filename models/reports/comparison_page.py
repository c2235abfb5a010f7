"""The page of the promotion gate: challenger against champion."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.reports.blocks import (
    bullets,
    figure,
    figures,
    join,
    number,
    signed,
    table,
    write_page,
)
from models.reports.charts import Row, interval_chart
from models.reports.page import Headline, Html, Section, render_page
from models.reports.results import Difference
from models.reports.verdicts import (
    Comparison,
    MetricDifference,
)
from models.reports.wording import METRIC_NAMES, interval_words, outcome


def write_comparison_page(
    folder: Path,
    comparison: Comparison,
    *,
    facts: Mapping[str, object] | None = None,
    name: str = "comparison.html",
) -> Path:
    """Write the page of a challenger's comparison with the champion and return its path."""
    sections = [_why(comparison)]
    compared = [m for m in comparison.metrics if m.difference is not None]
    if compared:
        lead = "Both models scored the same impressions; each resample draws the same users."
        body = join(figures([_gain_figure(comparison, compared)]), _metric_table(comparison))
        sections.append(Section("Differences", body, lead))
    elif comparison.metrics:
        sections.append(Section("Metrics", _metric_table(comparison)))
    if comparison.observed.groups:
        lead = "GAUC inside each group of impressions, challenger minus champion."
        sections.append(Section("Groups", _group_table(comparison), lead))
    html = render_page(
        "Should the challenger go to production?",
        sections,
        verdict=_comparison_headline(comparison),
        facts=facts,
        kicker="intentflow · champion and challenger",
    )
    return write_page(folder, name, html)


def _why(comparison: Comparison) -> Section:
    """Return the rules, those not met first; sentences alone where a verdict has no rules."""
    if not comparison.rules:
        return Section("Why", bullets(comparison.reasons))
    ordered = sorted(comparison.rules, key=lambda rule: rule.met)
    rows = [
        [rule.name, "met" if rule.met else "not met", rule.observed, rule.required]
        for rule in ordered
    ]
    unmet = sum(not rule.met for rule in ordered)
    lead = f"{unmet} of {len(rows)} rules are not met." if unmet else "Every rule is met."
    return Section("Why", table(["Rule", "", "Observed", "Required"], rows), lead)


def _group_table(comparison: Comparison) -> Html:
    rows = [
        [
            gain.group,
            number(gain.impressions, 0),
            signed(gain.difference),
            f"{signed(gain.low)} to {signed(gain.high)}",
        ]
        for gain in comparison.observed.groups
    ]
    return table(["Group", "Impressions", "Difference", "95\u202f% interval"], rows)


def _comparison_headline(comparison: Comparison) -> Headline:
    details = tuple(_gain_words(m) for m in comparison.metrics if m.difference is not None)
    if comparison.champion is None:
        words = "there is no champion yet"
        verb = "Promote" if comparison.promote else "Do not promote"
        tone = "good" if comparison.promote else "bad"
        return Headline(f"{verb} {comparison.challenger}: {words}.", details, tone)
    if comparison.promote:
        return Headline(
            f"Promote {comparison.challenger}: it replaces {comparison.champion}.", details, "good"
        )
    return Headline(
        f"Keep {comparison.champion}: {comparison.challenger} does not pass the gate.",
        details,
        "mixed",
    )


def _gain_words(metric: MetricDifference) -> str:
    interval = interval_words(metric.low, metric.high, sign=True)
    return (
        f"{_metric_name(metric)} {number(metric.challenger)} against {number(metric.champion)}, "
        f"difference {signed(metric.difference)}" + (f" ({interval})." if interval else ".")
    )


def _metric_name(metric: MetricDifference) -> str:
    return METRIC_NAMES.get(metric.metric, metric.metric)


def _gain_figure(comparison: Comparison, metrics: Sequence[MetricDifference]) -> Html:
    rows = []
    for metric in metrics:
        gap = Difference(value=metric.difference, low=metric.low, high=metric.high)
        side = outcome(gap, higher_is_better=metric.higher_is_better)
        better = "" if metric.higher_is_better else " (less is better)"
        style = {1: "good", -1: "bad", 0: "model"}[side]
        rows.append(Row(_metric_name(metric) + better, gap, style=style))
    name = f"{comparison.challenger} minus {comparison.champion}"
    chart = interval_chart(rows, "difference", name)
    return figure(name, "difference with 95\u202f% interval", chart)


def _metric_table(comparison: Comparison) -> Html:
    if comparison.champion is None:
        alone = [[_metric_name(metric), number(metric.challenger)] for metric in comparison.metrics]
        return table(["Metric", "Challenger"], alone)
    rows = [
        [
            _metric_name(metric),
            number(metric.challenger),
            number(metric.champion),
            signed(metric.difference),
            f"{signed(metric.low)} to {signed(metric.high)}",
            number(metric.p, 3),
        ]
        for metric in comparison.metrics
    ]
    head = ["Metric", "Challenger", "Champion", "Difference", "95\u202f% interval", "p"]
    return table(head, rows)
