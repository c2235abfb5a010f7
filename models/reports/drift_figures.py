"""The figures of the drift page: how far each thing moved, and what its values became."""

from collections.abc import Sequence

from models.reports.blocks import count, figure, number
from models.reports.charts import Row, legend, level_bars
from models.reports.drift_results import Change, ShareChange, relative
from models.reports.page import Html
from models.reports.results import Estimate
from models.reports.svg import WIDTH, Plot, Scale, label
from models.reports.verdicts import DriftColumn

FURTHEST_SHOWN = 4.0  # thresholds; what is further off ends at the edge of the figure
SHOWN = 12
_STEP, _LEFT = 38.0, 150.0


def reach(columns: Sequence[DriftColumn]) -> float:
    """Return the upper end of the axis of `distance_figure`, in thresholds."""
    return min(max([1.2, *map(relative, columns)]), FURTHEST_SHOWN)


def distance_figure(title: str, columns: Sequence[DriftColumn], top: float) -> Html:
    """Return bars of each column's distance over its own threshold, furthest first."""
    ordered = sorted(columns, key=relative, reverse=True)
    rows = [
        Row(
            short(column.name, 20),
            Estimate(value=min(max(relative(column), 0.0), top)),
            note="–" if column.statistic is None else number(column.statistic, 3),
            style="bad" if column.drifted else "model",
        )
        for column in ordered[:SHOWN]
    ]
    rest = len(columns) - len(rows)
    caption = f"The {rest} columns that moved least are only in the table." if rest > 0 else ""
    chart = level_bars(rows, f"Drift of {title}", top=top, threshold=1.0)
    moved = sum(column.drifted for column in columns)
    return figure(title, f"{moved} of {count(len(columns))} drifted", chart, caption)


def shares_figure(change: Change) -> Html:
    """Return the shares of the values or bins that changed most, reference and newest."""
    keys = legend([("reference", "fill-truth"), ("newest", "fill-model")])
    chart = _paired_bars(change.shares, f"Values of {change.column.name} in both windows")
    return figure(change.column.name, "share of rows", keys + chart)


def short(words: str, most: int) -> str:
    """Return the words, cut to ``most`` characters."""
    return words if len(words) <= most else words[: most - 1] + "…"


def _paired_bars(shares: Sequence[ShareChange], about: str) -> Html:
    """Return two lying bars a line: the reference's above the newest window's."""
    top = max([s for share in shares for s in (share.reference, share.current)] + [1e-9])
    height = _STEP * len(shares) + 8
    plot = Plot(
        x=Scale(0.0, top, _LEFT, WIDTH - 64),
        y=Scale(len(shares) - 0.5, -0.5, height - 4, 4),
        about=about,
        height=height,
    )
    for place, share in enumerate(shares):
        middle = plot.y(place)
        plot.add(label((0, middle + 4), short(share.name, 20)))
        for value, style, y in (
            (share.reference, "truth", middle - 13),
            (share.current, "model", middle + 1),
        ):
            width = max(plot.x(value) - plot.x.start, 1)
            plot.add(
                f'<rect class="fill-{style}" x="{plot.x.start:.1f}" y="{y:.1f}" '
                f'width="{width:.1f}" height="12" rx="2"/>'
            )
            plot.add(label((WIDTH, y + 10.5), f"{100 * value:.1f} %", anchor="end", strong=True))
    return plot.svg()
