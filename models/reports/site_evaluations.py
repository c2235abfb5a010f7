"""The page of the evaluations: how good the models of all runs were, and how they compared."""

from models.reports.blocks import figure, figures, join, table, text
from models.reports.charts import legend
from models.reports.page import Headline, Html, Section, render_page
from models.reports.site_charts import Point, Track, time_chart
from models.reports.site_content import Run, Site
from models.reports.site_wording import (
    gain_cell,
    gain_words,
    metric_cells,
    metric_heads,
    page_links,
    run_link,
    when,
)
from models.reports.wording import METRIC_NAMES

PAGE = "evaluations.html"
CHARTED = ("auc", "gauc")
STYLES = {"challenger": "model", "champion": "champion", "baseline": "base"}


def evaluations_page(site: Site) -> str:
    """Return the page of all evaluations and comparisons, line by line."""
    lines = sorted({run.line for run in site.runs})
    sections = [
        Section(line, _body([run for run in site.runs if run.line == line])) for line in lines
    ]
    judged = [run for run in site.runs if run.metrics.get("challenger") and not run.cached]
    return render_page(
        "How good the models were",
        sections,
        verdict=_headline(judged),
        lead="Each run judges its model on the newest days it has, beside a baseline and, where "
        "there is one, the model in production on the very same impressions.",
        kicker="intentflow · evaluations",
    )


def _headline(judged: list[Run]) -> Headline:
    if not judged:
        return Headline("No model has been judged yet.")
    newest = judged[0]
    gain = next((g for g in newest.gains if g.metric == "auc" and g.difference is not None), None)
    values = dict(zip(metric_heads(), metric_cells(newest.metrics["challenger"]), strict=True))
    said = f"The newest, {newest.model}, has an AUC of {values['AUC']}"
    against = f"; against production {gain_words(gain)}." if gain else "."
    several = f"{len(judged)} model{'s were' if len(judged) != 1 else ' was'} judged."
    return Headline(said + against, (several,))


def _body(runs: list[Run]) -> Html:
    judged = [run for run in runs if run.metrics.get("challenger") and not run.cached]
    if not judged:
        return text("No model has been judged yet.", "note")
    keys = legend([("challenger", "model"), ("champion", "champion"), ("baseline", "base")])
    charts = [
        figure(METRIC_NAMES[metric], "on each run's test split", join(keys, _chart(judged, metric)))
        for metric in CHARTED
    ]
    rows = [
        [
            run_link(PAGE, run, f"{when(run.at)} · {run.model}"),
            page_links(PAGE, run, "evaluation", "comparison"),
            *metric_cells(run.metrics.get("challenger")),
            *(gain_cell(run.gains, metric) for metric in CHARTED),
        ]
        for run in judged
    ]
    gains = [f"Gain in {METRIC_NAMES[metric]}" for metric in CHARTED]
    return join(figures(charts), table(["Run", "Pages", *metric_heads(), *gains], rows))


def _chart(judged: list[Run], metric: str) -> Html:
    tracks = [
        Track(points, style)
        for role, style in STYLES.items()
        if (points := _points(judged, role, metric))
    ]
    return time_chart(tracks, f"{METRIC_NAMES[metric]} of challenger, champion and baseline")


def _points(judged: list[Run], role: str, metric: str) -> list[Point]:
    oldest_first = reversed(judged)
    return [
        (run.at, value)
        for run in oldest_first
        if (value := run.metrics.get(role, {}).get(metric)) is not None
    ]
