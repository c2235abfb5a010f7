"""The evaluation page: one HTML file a person enjoys reading, made from an `Evaluation` alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from models.reports.blocks import (
    Tile,
    count,
    figure,
    figures,
    join,
    number,
    percent,
    signed,
    table,
    text,
    tiles,
    write_page,
)
from models.reports.charts import (
    Row,
    bar_chart,
    intent_chart,
    interval_chart,
    legend,
    rate_chart,
    reliability_chart,
    roc_chart,
)
from models.reports.group_figures import groups_section
from models.reports.page import Html, Section, render_page
from models.reports.results import Evaluation, IntentFit, Rival
from models.reports.training_curves import training_section
from models.reports.wording import METRIC_MEANINGS, METRIC_NAMES, headline, interval_words


def write_evaluation_page(
    evaluation: Evaluation,
    curves: Iterable[Mapping[str, object]],
    folder: Path,
    title: str,
    facts: Mapping[str, object],
) -> Path:
    """Write ``evaluation.html`` into ``folder`` and return its path.

    Args:
        evaluation: What was measured.
        curves: The rows of the model's history.jsonl.
        folder: Where the page goes.
        title: The page's heading.
        facts: What it takes to reproduce the page: commit, data hash, configuration, seed.
    """
    sections = [
        Section("Key figures", _tiles(evaluation), _counts(evaluation)),
        _comparison(evaluation),
        _ranking(evaluation),
        _intent(evaluation.intent),
        _levels(evaluation),
        groups_section(evaluation),
        training_section(curves),
    ]
    resampling = f"{evaluation.bootstrap} resamples of the users, seed {evaluation.seed}"
    html = render_page(
        title,
        [section for section in sections if section is not None],
        verdict=headline(evaluation),
        facts={"Bootstrap": resampling, **facts},
        kicker="intentflow · evaluation",
    )
    return write_page(folder, "evaluation.html", html)


def _counts(evaluation: Evaluation) -> str:
    requests = "" if evaluation.requests is None else f" in {count(evaluation.requests)} requests"
    return (
        f"{count(evaluation.examples)} impressions{requests} of {count(evaluation.users)} users, "
        f"{count(evaluation.clicks)} of them clicked "
        f"({percent(evaluation.clicks / evaluation.examples)}). "
        f"GAUC counts the {count(evaluation.users_counted)} users who have both clicks and "
        f"non-clicks; {count(evaluation.users_skipped)} are skipped."
    )


def _tiles(evaluation: Evaluation) -> Html:
    values = [
        Tile(
            name=METRIC_NAMES[name],
            meaning=METRIC_MEANINGS[name],
            value=number(estimate.value),
            interval=interval_words(estimate.low, estimate.high),
            lines=tuple(_tile_lines(evaluation, name)),
        )
        for name, estimate in evaluation.metrics.items()
    ]
    if evaluation.intent is not None:
        values.append(_intent_tile(evaluation.intent))
    return tiles(values)


def _tile_lines(evaluation: Evaluation, metric: str) -> Iterable[tuple[str, str]]:
    for rival in evaluation.rivals:
        role = "" if rival.name.lower() == rival.role else f" ({rival.role})"
        yield f"{rival.name}{role}", number(rival.metrics[metric].value)
    if evaluation.base is not None and metric in evaluation.base.rela_impr:
        gain = evaluation.base.rela_impr[metric]
        shown = "–" if gain is None else f"{signed(gain, 1)}\u202f%"
        yield f"RelaImpr over {evaluation.base.name}", shown


def _intent_tile(fit: IntentFit) -> Tile:
    return Tile(
        name="Intent divergence",
        meaning="Jensen-Shannon, in bits, of mean predicted and true intent; 0 is a perfect fit",
        value=number(fit.js),
        interval=f"over {count(fit.requests)} requests with a click",
        lines=tuple((f"{p.name} users", number(p.js)) for p in fit.populations),
    )


def _comparison(evaluation: Evaluation) -> Section | None:
    if not evaluation.rivals:
        return None
    charts = [
        figure(
            f"{evaluation.model} minus {rival.name}",
            "difference with 95\u202f% interval; right of the line is better",
            interval_chart(
                [
                    Row(METRIC_NAMES[m], rival.differences[m], style=_style(rival))
                    for m in ("auc", "gauc")
                ],
                "difference in AUC or GAUC",
                f"Differences between {evaluation.model} and {rival.name}",
            ),
        )
        for rival in evaluation.rivals
    ]
    columns = ["Metric", "Against", evaluation.model, "Rival", "Difference", "95\u202f% interval"]
    rows = [
        [
            METRIC_NAMES[metric],
            rival.name,
            number(evaluation.metrics[metric].value),
            number(rival.metrics[metric].value),
            signed(difference.value),
            f"{signed(difference.low)} to {signed(difference.high)}",
            number(difference.p, 3),
            "" if rela is None else f"{signed(rela, 2)}\u202f%",
        ]
        for rival in evaluation.rivals
        for metric, difference in rival.differences.items()
        for rela in [rival.rela_impr.get(metric)]
    ]
    return Section(
        "Comparison",
        join(figures(charts), table([*columns, "p", "RelaImpr"], rows)),
        "Both models scored the same impressions, and each resample draws the same users for both. "
        "An interval that crosses 0 means these data cannot tell them apart.",
    )


def _style(rival: Rival) -> str:
    return "champion" if rival.role == "champion" else "model"


def _ranking(evaluation: Evaluation) -> Section:
    keys = legend([(curve.name, curve.role) for curve in evaluation.roc])
    return Section(
        "Ranking and calibration",
        figures(
            [
                figure(
                    "ROC",
                    "share of clicks above a threshold",
                    join(keys, roc_chart(evaluation.roc)),
                    "The dashed diagonal is a coin; the area under a line is its AUC.",
                ),
                figure(
                    "Calibration",
                    "observed click rate",
                    join(keys, reliability_chart(evaluation.reliability)),
                    "Each dot is a fifteenth of the impressions, sorted by predicted click rate. "
                    "On the diagonal, predictions can be read as probabilities.",
                ),
            ]
        ),
    )


def _intent(fit: IntentFit | None) -> Section | None:
    if fit is None:
        return None
    top = 1.1 * max(max([*p.true, *p.predicted]) for p in fit.populations)
    keys = legend([("true intent", "fill-truth"), ("predicted intent", "model")])
    charts = [
        figure(
            f"{p.name.capitalize()} users, JS {number(p.js, 3)}",
            f"share of a request's clicks; {count(p.users)} users, {count(p.requests)} requests",
            join(keys, intent_chart(p, top)),
        )
        for p in fit.populations
    ]
    rows = [[p.name, p.users, p.requests, p.js, p.js_of_average] for p in fit.populations]
    origin = (
        "The populations are the data set's own."
        if fit.populations_known
        else "The data set names no populations: users were split at the median of how close to "
        "the trigger they click, which sorts them by the very labels the prediction is held "
        "against, so some distance is due to the split alone."
    )
    return Section(
        "Intent",
        join(
            figures(charts),
            table(
                ["Users", "Number", "Requests", "JS (bits)", "JS if everyone had the mean intent"],
                rows,
            ),
            text(
                f"{origin} Request by request the divergence is {number(fit.js_per_request, 3)}: "
                "a request has few clicks, so its own intent is spiky.",
                "note",
            ),
        ),
        "What users click after a trigger, by how similar it is to the trigger, and what the model "
        "expected before they clicked (DAIAN, Figure 5).",
    )


def _levels(evaluation: Evaluation) -> Section | None:
    if not evaluation.levels:
        return None
    axis = f"similarity to the trigger: level 1 least, {len(evaluation.levels)} most"
    return Section(
        "Similarity levels",
        figures(
            [
                figure(
                    "Impressions",
                    "share of impressions with a trigger, percent",
                    bar_chart([lv.share for lv in evaluation.levels], axis, "Share by level"),
                ),
                figure(
                    "Click rate",
                    "share clicked, with 95\u202f% interval",
                    rate_chart([lv.click_rate for lv in evaluation.levels], axis, "Click rates"),
                ),
            ]
        ),
        "How alike the shown items and their triggers are, and what that does to clicks.",
    )
