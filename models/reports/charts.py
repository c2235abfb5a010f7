"""The figures of our pages, each from plain numbers; legible at 400 px and in dark mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from models.reports.page import Html, Number
from models.reports.results import Curve, Estimate, PopulationIntent, ReliabilityCurve
from models.reports.svg import (
    WIDTH,
    Plot,
    Scale,
    axes,
    label,
    limits,
    percent_words,
    plot,
    ticks,
    words_for,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an interval or bar chart.

    Attributes:
        name: What the line is about.
        estimate: Value and interval.
        note: Words at the right end; the value itself if empty.
        style: "model", "base", "champion", "good" or "bad".
    """

    name: str
    estimate: Estimate
    note: str = ""
    style: str = "model"


def roc_chart(curves: Sequence[Curve]) -> Html:
    """Return ROC curves over the diagonal of a coin."""
    figure = plot((0, 1), (0, 1), "ROC curves", height=360)
    axes(figure, "share of non-clicks above a threshold", x_words=_percent, y_words=_percent)
    figure.segment((0, 0), (1, 1), "reference")
    for curve in reversed(curves):
        figure.line(curve.x, curve.y, curve.role)
    return figure.svg()


def reliability_chart(curves: Sequence[ReliabilityCurve]) -> Html:
    """Return observed against predicted click rate, the first curve with 95 % whiskers."""
    reach = [v for curve in curves for v in (*curve.predicted, *curve.observed)]
    high = min(1.0, max([*reach, 0.01]) * 1.1)
    figure = plot((0, high), (0, high), "Observed against predicted click rate", height=360)
    marks = ticks(0, high)
    words = percent_words(marks)
    axes(figure, "predicted click rate", x_ticks=marks, x_words=words, y_ticks=marks, y_words=words)
    figure.segment((0, 0), (high, high), "reference")
    for curve in reversed(curves):
        figure.line(curve.predicted, curve.observed, curve.role)
    for curve in curves[:1]:
        for i, (x, y) in enumerate(zip(curve.predicted, curve.observed, strict=True)):
            figure.segment((x, curve.low[i]), (x, min(curve.high[i], high)), "whisker")
            figure.dot((x, y), f"fill-{curve.role}", 3.5)
    return figure.svg()


def intent_chart(population: PopulationIntent, top: Number, spread: Sequence[Number] = ()) -> Html:
    """Return true intent as bars and predicted intent as a line, as in DAIAN Figure 5.

    Args:
        population: The population shown.
        top: Upper end of the axis, shared by the populations so that they can be compared.
        spread: How far to shade to either side of the prediction at each level.
    """
    n = len(population.true)
    about = f"True and predicted intent of {population.name} users by similarity level"
    figure = plot((0.4, n + 0.6), (0, top), about)
    marks = ticks(0, top)
    levels = list(range(1, n + 1))
    axes(
        figure,
        "similarity to the trigger: level 1 least, " + f"{n} most",
        x_ticks=levels,
        x_words=lambda v: f"{v:.0f}",
        y_ticks=marks,
        y_words=percent_words(marks),
    )
    for level, share in zip(levels, population.true, strict=True):
        figure.bar(level - 0.36, level + 0.36, share, "fill-truth")
    if spread:
        ends = list(zip(population.predicted, spread, strict=True))
        figure.band(levels, [max(p - s, 0) for p, s in ends], [min(p + s, top) for p, s in ends])
    figure.line(levels, population.predicted, "model")
    for level, share in zip(levels, population.predicted, strict=True):
        figure.dot((level, share), "fill-model", 4.5)
    return figure.svg()


def bar_chart(
    values: Sequence[Number], x_title: str, about: str, *, names: Sequence[str] | None = None
) -> Html:
    """Return upright bars of shares, numbered from 1 unless named, each with its percent on top."""
    top = max([*values, 1e-9]) * 1.15
    figure = plot((0.4, len(values) + 0.6), (0, top), about)
    marks, places = ticks(0, top), list(range(1, len(values) + 1))
    axes(
        figure,
        x_title,
        x_ticks=places,
        x_words=lambda v: names[int(v) - 1] if names else f"{v:.0f}",
        y_ticks=marks,
        y_words=percent_words(marks),
    )
    for place, value in zip(places, values, strict=True):
        figure.bar(place - 0.36, place + 0.36, value, "fill-model")
        at = (figure.x(place), figure.y(value) - 6)
        figure.add(label(at, f"{100 * value:.1f}", anchor="middle", strong=True))
    return figure.svg()


def rate_chart(rates: Sequence[Estimate], x_title: str, about: str) -> Html:
    """Return rates with their intervals at places 1, 2 and so on."""
    top = max([r.high or r.value or 0.0 for r in rates] + [1e-9]) * 1.1
    figure = plot((0.4, len(rates) + 0.6), (0, top), about)
    marks, places = ticks(0, top), list(range(1, len(rates) + 1))
    axes(
        figure,
        x_title,
        x_ticks=places,
        x_words=lambda v: f"{v:.0f}",
        y_ticks=marks,
        y_words=percent_words(marks),
    )
    for place, rate in zip(places, rates, strict=True):
        if rate.value is not None:
            low, high = rate.low or rate.value, rate.high or rate.value
            figure.segment((place, low), (place, high), "whisker")
            figure.dot((place, rate.value), "fill-model", 4.5)
    return figure.svg()


def line_chart(
    lines: Sequence[Curve], x_title: str, about: str, *, best: tuple[Number, Number] | None = None
) -> Html:
    """Return lines over whole numbers (epochs); ``best`` is marked with its value."""
    xs = [v for line in lines for v in line.x]
    first, last = min(xs, default=0.0), max(xs, default=1.0)
    margin = 0.3 if last == first else 0.0
    figure = plot(
        (first - margin, last + margin),
        limits([v for line in lines for v in line.y], margin=0.14),
        about,
        height=250,
    )
    whole = [v for v in ticks(first, last) if v == int(v)] or [first]
    axes(figure, x_title, x_ticks=whole, x_words=lambda v: f"{v:.0f}")
    for line in lines:
        figure.line(line.x, line.y, line.role)
        for point in zip(line.x, line.y, strict=True) if len(line.x) < 3 else ():
            figure.dot(point, f"fill-{line.role}")
    if best is not None:
        figure.dot(best, "fill-model", 5)
        near_end = figure.x(best[0]) > WIDTH - 60
        at = (figure.x(best[0]), figure.y(best[1]) - 10)
        figure.add(label(at, f"{best[1]:.4f}", anchor="end" if near_end else "middle", strong=True))
    return figure.svg()


def interval_chart(rows: Sequence[Row], x_title: str, about: str, *, digits: int = 4) -> Html:
    """Return differences with their intervals around a line at 0, one row each."""
    ends = [v for r in rows for v in (r.estimate.value, r.estimate.low, r.estimate.high)]
    low, high = limits([0.0, *(v for v in ends if v is not None)], margin=0.08)
    figure = rows_plot([row.name for row in rows], (low, high), about)
    bottom = figure.y.start
    figure.add(upright(figure.x(0.0), figure.y.end - 8, bottom, "axis"))
    marks = ticks(low, high, 4)
    words = words_for(marks)
    for value in marks:
        figure.add(label((figure.x(value), bottom + 16), words(value), anchor="middle"))
    figure.add(label(((figure.x.start + figure.x.end) / 2, bottom + 36), x_title, anchor="middle"))
    for i, row in enumerate(rows):
        value = row.estimate.value
        if value is None:
            continue
        if row.estimate.low is not None and row.estimate.high is not None:
            figure.segment((row.estimate.low, i), (row.estimate.high, i), f"span {row.style}")
        figure.dot((value, i), f"fill-{row.style}", 5)
        note = row.note or f"{value:+.{digits}f}".replace("-", "−")
        figure.add(label((WIDTH, figure.y(i) + 4), note, anchor="end", strong=True))
    return figure.svg()


def level_bars(rows: Sequence[Row], about: str, *, top: Number, threshold: Number) -> Html:
    """Return lying bars from 0 to at most ``top``, one row each, and a line at a threshold."""
    figure = rows_plot([row.name for row in rows], (0.0, top), about, footer=8)
    for i, row in enumerate(rows):
        value = row.estimate.value
        if value is not None:
            y = figure.y(i)
            width = max(figure.x(min(value, figure.x.high)) - figure.x.start, 1)
            figure.add(
                f'<rect class="fill-{row.style}" x="{figure.x.start:.1f}" y="{y - 6:.1f}" '
                f'width="{width:.1f}" height="12" rx="2"/>'
            )
        note = row.note or ("–" if value is None else f"{value:.3f}")
        figure.add(label((WIDTH, figure.y(i) + 4), note, anchor="end", strong=True))
    figure.add(upright(figure.x(threshold), figure.y.end, figure.y.start + 8, "reference"))
    return figure.svg()


def legend(items: Sequence[tuple[str, str]]) -> Html:
    """Return the keys of a figure: (name, style), a style being a line, "fill-…" or "dot-…"."""
    keys = []
    for name, style in items:
        shape = f'<line class="path {style}" x1="1" x2="23" y1="6" y2="6"/>'
        if style.startswith("fill-"):
            shape = f'<rect class="{style}" x="2" y="1" width="16" height="10" rx="2"/>'
        elif style.startswith("dot-"):
            colour = style.replace("dot-", "fill-", 1)
            shape = f'<circle class="{colour}" cx="12" cy="6" r="4.5"/>'
        words = Html(f'<svg class="key" viewBox="0 0 24 12" aria-hidden="true">{shape}</svg>')
        keys.append(f"<span>{words}{escape(name)}</span>")
    return Html(f'<p class="legend">{"".join(keys)}</p>')


def rows_plot(
    names: Sequence[str], x: tuple[Number, Number], about: str, *, footer: Number = 44
) -> Plot:
    """Return a plot with a named line for each row, first on top, and room for notes."""
    step, left = 30.0, 150.0
    height = step * len(names) + footer + 8
    figure = Plot(
        x=Scale(*x, left, WIDTH - 64),
        y=Scale(len(names) - 0.5, -0.5, height - footer, 8),
        about=about,
        height=height,
    )
    for i, name in enumerate(names):
        figure.add(label((0, figure.y(i) + 4), name))
    return figure


def upright(x: Number, top: Number, bottom: Number, style: str) -> str:
    """Return an upright line; all places are in pixels of the view box."""
    return f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'


def _percent(value: Number) -> str:
    return f"{100 * value:.0f}\u202f%"
