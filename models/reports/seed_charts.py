"""The figures of models trained with several seeds: every seed is to be seen, the mean stands out.

Where a sample standard deviation is drawn it is that over seeds, to either side of the mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.reports.charts import rows_plot, upright
from models.reports.page import Html, Number
from models.reports.svg import WIDTH, Plot, Scale, axes, label, limits, plot, ticks, words_for

NAME_LENGTH = 21  # letters of a row's name that fit before the plot on a phone


@dataclass(frozen=True, slots=True)
class Measured:
    """Values of one thing over seeds.

    Attributes:
        name: What was measured.
        values: The value of each seed.
        mean: Their mean.
        sd: Their standard deviation; None where there is none.
        seeds: The seed of each value.
        style: "model", "base" or "champion".
    """

    name: str
    values: Sequence[Number]
    mean: Number
    sd: Number | None = None
    seeds: Sequence[int] = ()
    style: str = "model"

    @property
    def reach(self) -> list[Number]:
        """All that a figure of it must have room for."""
        spread = self.sd or 0.0
        return [*self.values, self.mean - spread, self.mean + spread]

    def told(self, i: int) -> str:
        """Return the words for seed number ``i``."""
        return f"{self.name}, seed {self.seeds[i]}: {self.values[i]:.4f}" if self.seeds else ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a training, over seeds.

    Attributes:
        title: What it is called, short enough to stand over its part of the figure.
        train: The training loss of each seed, epoch by epoch; None where it is not known.
        valid: The same of the validation figure.
        best: The epoch of each seed whose weights were kept, from 0; None where unknown.
        seeds: The seeds.
    """

    title: str
    train: Sequence[Sequence[Number | None]]
    valid: Sequence[Sequence[Number | None]]
    best: Sequence[int | None]
    seeds: Sequence[int]

    @property
    def epochs(self) -> int:
        """The epochs of the seed that went on longest."""
        return max((len(line) for line in (*self.train, *self.valid)), default=0)


def seed_chart(
    rows: Sequence[Measured], x_title: str, about: str, *, reference: Number | None = None
) -> Html:
    """Return a row for each variant: every seed a dot, the mean a stroke, the sd a bar.

    Args:
        rows: What to draw, first on top.
        x_title: What the axis measures.
        about: What a reader who cannot see the figure is told.
        reference: Where to draw a dashed line down the figure.
    """
    low, high = limits([v for row in rows for v in row.reach], margin=0.08)
    figure = rows_plot([_short(row.name) for row in rows], (low, high), about)
    top, bottom = figure.y.end, figure.y.start
    marks = ticks(low, high, 4)
    words = words_for(marks)
    for value in marks:
        figure.add(upright(figure.x(value), top, bottom, "grid"))
        figure.add(label((figure.x(value), bottom + 16), words(value), anchor="middle"))
    figure.add(label(((figure.x.start + figure.x.end) / 2, bottom + 36), x_title, anchor="middle"))
    if reference is not None:
        figure.add(upright(figure.x(reference), top, bottom, "reference"))
    for i, row in enumerate(rows):
        _seed_row(figure, i, row)
    return figure.svg()


def gain_chart(bars: Sequence[Measured], below: Sequence[str], x_title: str, about: str) -> Html:
    """Return upright bars from 0 with their sd, a second line of words below each.

    Args:
        bars: The bars, in order.
        below: Words below the name of each bar.
        x_title: What the groups are.
        about: What a reader who cannot see the figure is told.
    """
    low, high = limits([0.0, *(v for bar in bars for v in bar.reach)], margin=0.14)
    height = 340.0
    figure = Plot(
        x=Scale(0.4, len(bars) + 0.6, 58, WIDTH - 12),
        y=Scale(low, high, height - 66, 12),
        about=about,
        height=height,
    )
    marks = ticks(low, high)
    axes(figure, "", x_ticks=[], y_ticks=marks, y_words=_signed_words(marks))
    figure.segment((figure.x.low, 0), (figure.x.high, 0), "axis")
    bottom = figure.y.start
    for place, (bar, words) in enumerate(zip(bars, below, strict=True), start=1):
        _gain_bar(figure, place, bar)
        x = figure.x(place)
        figure.add(label((x, bottom + 18), bar.name, anchor="middle", strong=True))
        figure.add(label((x, bottom + 35), words, anchor="middle"))
    middle = (figure.x.start + figure.x.end) / 2
    figure.add(label((middle, bottom + 57), x_title, anchor="middle"))
    return figure.svg()


def sweep_chart(
    at: Sequence[Number],
    values: Sequence[Measured],
    x_title: str,
    about: str,
    *,
    reference: Number | None = None,
) -> Html:
    """Return the mean over a setting's values as a line, the sd shaded, every seed a dot.

    Args:
        at: The setting's values, ascending.
        values: What was measured at each.
        x_title: The setting.
        about: What a reader who cannot see the figure is told.
        reference: Where to draw a dashed line across.
    """
    extra = [] if reference is None else [reference]
    span = at[-1] - at[0] or 1.0
    figure = plot(
        (at[0] - 0.04 * span, at[-1] + 0.04 * span),
        limits([*extra, *(v for value in values for v in value.reach)], margin=0.1),
        about,
        left=58,
    )
    axes(figure, x_title, x_ticks=at, x_words=lambda v: f"{v:g}")
    if reference is not None:
        figure.segment((figure.x.low, reference), (figure.x.high, reference), "reference")
    means = [value.mean for value in values]
    spreads = [value.sd or 0.0 for value in values]
    ends = list(zip(means, spreads, strict=True))
    figure.band(at, [m - s for m, s in ends], [m + s for m, s in ends])
    figure.line(at, means, "model")
    for x, value in zip(at, values, strict=True):
        for i, y in enumerate(value.values):
            figure.dot((x, y), "fill-model seed", 3.5, value.told(i))
    best = max(range(len(at)), key=lambda i: means[i])
    figure.dot((at[best], means[best]), "fill-model", 5.5, values[best].name)
    higher = figure.y(max(values[best].reach)) - 9
    near_end = figure.x(at[best]) > WIDTH - 60
    anchor = "end" if near_end else "middle"
    words = f"{means[best]:.4f}"
    figure.add(label((figure.x(at[best]), higher), words, anchor=anchor, strong=True))
    return figure.svg()


def stage_chart(stages: Sequence[Stage], about: str) -> Html:
    """Return the loss of consecutive stages, a part of the figure each: seeds thin, means bold.

    Args:
        stages: Stages with the same loss, in the order they were trained in.
        about: What a reader who cannot see the figure is told.
    """
    widths = [stage.epochs for stage in stages]
    starts = [sum(widths[:i]) for i in range(len(stages))]
    reach = [v for s in stages for line in (*s.train, *s.valid) for v in line if v is not None]
    figure = plot((0.5, sum(widths) + 0.5), limits(reach, margin=0.08), about, left=54, top=30)
    marks = [s + e for s, w in zip(starts, widths, strict=True) for e in _epoch_ticks(w, widths)]
    axes(figure, "epoch of the stage", x_ticks=marks, x_words=lambda v: _epoch(v, starts))
    for stage, start, width in zip(stages, starts, widths, strict=True):
        if start:
            figure.add(upright(figure.x(start + 0.5), 8, figure.y.start + 6, "axis"))
        _stage_title(figure, stage.title, start, width)
        _stage_lines(figure, stage.train, start, "base")
        _stage_lines(figure, stage.valid, start, "model")
        for seed, line, best in zip(stage.seeds, stage.valid, stage.best, strict=True):
            value = None if best is None else line[best]
            if best is not None and value is not None:
                words = f"seed {seed}: best epoch {best + 1}, {value:.4f}"
                figure.dot((start + best + 1, value), "fill-champion", 4.5, words)
    return figure.svg()


def mean_line(lines: Sequence[Sequence[Number | None]]) -> list[float]:
    """Return the mean of lines of unequal length, as far as more than half of them go.

    Further on a few seeds would draw it, and it would jump where one of them ends.
    """
    means = list[float]()
    for epoch in range(max(map(len, lines), default=0)):
        there = [line[epoch] for line in lines if epoch < len(line)]
        known = [value for value in there if value is not None]
        if 2 * len(known) <= len(lines):
            break
        means.append(sum(known) / len(known))
    return means


def _seed_row(figure: Plot, i: int, row: Measured) -> None:
    y = figure.y(i)
    if row.sd is not None:
        left, right = figure.x(row.mean - row.sd), figure.x(row.mean + row.sd)
        figure.add(
            f'<rect class="spread {row.style}" x="{left:.1f}" y="{y - 6:.1f}" '
            f'width="{right - left:.1f}" height="12" rx="2"/>'
        )
    for k, value in enumerate(row.values):
        figure.dot((value, i), f"fill-{row.style} seed", 3.8, row.told(k))
    figure.add(upright(figure.x(row.mean), y - 9, y + 9, f"stroke {row.style}"))
    figure.add(label((WIDTH, y + 4), f"{row.mean:.4f}", anchor="end", strong=True))


def _gain_bar(figure: Plot, place: int, bar: Measured) -> None:
    figure.bar(place - 0.3, place + 0.3, bar.mean, f"fill-{bar.style}", 0.0)
    if bar.sd is not None:
        low, high = bar.mean - bar.sd, bar.mean + bar.sd
        figure.segment((place, low), (place, high), "whisker strong")
    for i, value in enumerate(bar.values):
        figure.dot((place + 0.16, value), "fill-base seed", 2.6, bar.told(i))
    words = f"{bar.mean:+.4f}".replace("-", "−")
    at = (figure.x(place), figure.y(max(0.0, *bar.reach)) - 7)
    figure.add(label(at, words, anchor="middle", strong=True))


def _stage_title(figure: Plot, title: str, start: int, width: int) -> None:
    """Write a stage's name over its part, from its left edge if the part is narrow."""
    room = figure.x(start + width + 0.5) - figure.x(start + 0.5)
    if room > 7.5 * len(title):
        figure.add(label((figure.x(start + 0.5) + room / 2, 18), title, anchor="middle"))
    elif start:
        figure.add(label((WIDTH - 12, 18), title, anchor="end"))
    else:
        figure.add(label((0, 18), title))


def _stage_lines(
    figure: Plot, lines: Sequence[Sequence[Number | None]], start: int, style: str
) -> None:
    for line in lines:
        points = [(start + i + 1, v) for i, v in enumerate(line) if v is not None]
        figure.line([x for x, _ in points], [y for _, y in points], f"{style} thin")
        for point in points if len(points) == 1 else ():
            figure.dot(point, f"fill-{style} seed", 3)
    means = mean_line(lines)
    figure.line([start + i + 1 for i in range(len(means))], means, style)
    for value in means if len(means) == 1 else ():
        figure.dot((start + 1, value), f"fill-{style}", 5)


def _epoch_ticks(width: int, widths: Sequence[int]) -> list[int]:
    """Return the epochs of a stage that get a label, about eight over the whole figure."""
    step = max(1, round(sum(widths) / 8))
    return [1, *(e for e in range(step, width + 1, step) if e > max(step / 2, 1))]


def _epoch(place: Number, starts: Sequence[int]) -> str:
    """Return the number within its stage of an epoch at ``place``."""
    return f"{place - max(start for start in starts if start < place):.0f}"


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1].rstrip() + "…"


def _signed_words(values: Sequence[Number]) -> Callable[[float], str]:
    plain = words_for(values) if any(b > a for a, b in pairwise(values)) else str
    return lambda value: ("+" if value > 0 else "") + plain(value)
