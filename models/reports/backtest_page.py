"""The page of a backtest: quality over time, by how often a model is retrained."""

from collections.abc import Sequence
from pathlib import Path

from models.files import write_text
from models.reports.backtest_results import BacktestResult
from models.reports.blocks import Tile, figure, figures, table, tiles
from models.reports.charts import legend, line_chart
from models.reports.page import Headline, Html, Section, Tone, render_page
from models.reports.results import Curve, Role

PAGE = "backtest.html"
METRICS = {
    "auc": ("AUC", "higher is better"),
    "gauc": ("GAUC", "within users; higher is better"),
    "log_loss": ("Log loss", "lower is better"),
}
PLAIN: Tone = "plain"
GOOD: Tone = "good"
STYLES: tuple[Role, ...] = ("base", "champion", "model")


def write_backtest_page(result: BacktestResult, days: Sequence[int], folder: Path) -> Path:
    """Write backtest.html into ``folder`` and return its path.

    Args:
        result: What was measured.
        days: The day of each window, from 1.
        folder: Receives the page.
    """
    charts = [_chart(result, metric, days) for metric in _ordered(result.metric)]
    sections = [
        Section(
            "Quality over time",
            figures(charts),
            "Each model is scored on a window before it learns from it. All start equal.",
        ),
        Section("On average", _averages(result), "Windows after the first, all seeds."),
        Section(
            "Is it luck?",
            _gains(result),
            f"Beside {result.policies[0]}, window by window; windows are resampled for the "
            "intervals. A positive gain is better, for log loss too.",
        ),
    ]
    page = render_page(
        f"Backtest: {result.name}", sections, verdict=_headline(result), facts=result.facts
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _headline(result: BacktestResult) -> Headline:
    name = METRICS[result.metric][0]
    told, best = list[str](), 0.0
    headline, tone = f"No policy is reliably better than {result.policies[0]}.", PLAIN
    for gain in result.gains:
        if gain.metric != result.metric:
            continue
        told.append(
            f"{gain.policy.capitalize()}: {name} {_signed(gain.value)} beside {gain.against} "
            f"({_signed(gain.low)} to {_signed(gain.high)}), better in "
            f"{100 * gain.windows_better:.0f} % of the windows."
        )
        if gain.low > 0 and gain.value > best:
            best, tone = gain.value, GOOD
            headline = f"Retraining {gain.policy} is worth {best:.4f} {name} over {gain.against}."
    return Headline(headline, tuple(told), tone)


def _ordered(first: str) -> list[str]:
    return [first, *(metric for metric in METRICS if metric != first)]


def _chart(result: BacktestResult, metric: str, days: Sequence[int]) -> Html:
    name, better = METRICS[metric]
    curves = [
        Curve(name=policy, role=style, x=[float(d) for d in days],
              y=result.over_time(policy, metric))
        for policy, style in zip(result.policies, STYLES, strict=False)
    ]  # fmt: skip
    keys = legend([(curve.name, curve.role) for curve in curves])
    svg = line_chart(curves, "day of the replay", f"{name} by day for each policy")
    return figure(name, better, keys + svg)


def _averages(result: BacktestResult) -> Html:
    shown = [
        Tile(
            name=policy,
            value=f"{result.means[policy][result.metric]:.4f}",
            meaning=f"mean {METRICS[result.metric][0]}",
            lines=(
                *(
                    (METRICS[metric][0], f"{result.means[policy][metric]:.4f}")
                    for metric in _ordered(result.metric)[1:]
                ),
                ("Trainings", f"{result.means[policy]['trainings']:.0f}"),
                ("Seconds of training", f"{result.means[policy]['seconds']:.1f}"),
                ("Age of what it learnt, days", f"{result.means[policy]['age_days']:.1f}"),
            ),
        )
        for policy in result.policies
    ]
    return tiles(shown)


def _gains(result: BacktestResult) -> Html:
    rows = [
        [
            gain.policy,
            METRICS[gain.metric][0],
            _signed(gain.value),
            f"{_signed(gain.low)} to {_signed(gain.high)}",
            f"{100 * gain.windows_better:.0f} %",
        ]
        for gain in result.gains
    ]
    return table(["policy", "metric", "gain", "95 % interval", "windows better"], rows)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
