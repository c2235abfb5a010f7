"""A small vector drawing kit: scales, axes and marks as SVG text, coloured by CSS classes.

Hand-made because a figure must follow the reader's dark mode and stay legible at 400 px: matplotlib
fixes both colours and sizes when it draws.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from models.reports.page import Html, Number

WIDTH, HEIGHT = 440.0, 300.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps data to pixels, linearly.

    Attributes:
        low: Data value at ``start``.
        high: Data value at ``end``.
        start: First pixel.
        end: Last pixel.
    """

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> float:
        """Return the pixel of ``value``."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(slots=True)
class Plot:
    """A figure with a plotting area, being drawn.

    Attributes:
        x: Horizontal scale.
        y: Vertical scale.
        about: What a reader who cannot see the figure is told.
        height: Height in pixels of the view box.
        marks: SVG elements, in the order they are painted.
    """

    x: Scale
    y: Scale
    about: str
    height: Number = HEIGHT
    marks: list[str] = field(default_factory=list)

    def add(self, element: str) -> None:
        """Paint an element over what is there."""
        self.marks.append(element)

    def line(self, xs: Iterable[Number], ys: Iterable[Number], style: str) -> None:
        """Draw a path through data points."""
        points = [f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(xs, ys, strict=True)]
        if points:
            self.add(f'<polyline class="path {style}" points="{" ".join(points)}"/>')

    def segment(self, start: tuple[Number, Number], end: tuple[Number, Number], style: str) -> None:
        """Draw a straight line between two data points."""
        (a, b), (c, d) = start, end
        self.add(
            f'<line class="{style}" x1="{self.x(a):.1f}" y1="{self.y(b):.1f}" '
            f'x2="{self.x(c):.1f}" y2="{self.y(d):.1f}"/>'
        )

    def dot(
        self, at: tuple[Number, Number], style: str, radius: Number = 4.0, told: str = ""
    ) -> None:
        """Draw a dot at a data point; ``told`` is shown while a pointer rests on it."""
        place = f'cx="{self.x(at[0]):.1f}" cy="{self.y(at[1]):.1f}" r="{radius:g}"'
        end = f"><title>{escape(told)}</title></circle>" if told else "/>"
        self.add(f'<circle class="dot {style}" {place}{end}')

    def bar(
        self, left: Number, right: Number, top: Number, style: str, foot: Number | None = None
    ) -> None:
        """Draw an upright bar between ``foot``, else the bottom of the plot, and ``top``.

        All are in data units; a bar whose top is below its foot hangs.
        """
        a, b = sorted((self.x(left), self.x(right)))
        upper, lower = sorted((self.y(top), self.y(self.y.low if foot is None else foot)))
        self.add(
            f'<rect class="{style}" x="{a:.1f}" y="{upper:.1f}" width="{b - a:.1f}" '
            f'height="{lower - upper:.1f}" rx="2"/>'
        )

    def band(self, xs: Sequence[Number], low: Sequence[Number], high: Sequence[Number]) -> None:
        """Shade between two lines."""
        there = [f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(xs, high, strict=True)]
        back = [f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(xs, low, strict=True)]
        self.add(f'<polygon class="band" points="{" ".join(there + back[::-1])}"/>')

    def svg(self) -> Html:
        """Return the finished drawing."""
        return Html(
            f'<svg viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" '
            f'aria-label="{escape(self.about)}">{"".join(self.marks)}</svg>'
        )


def label(
    at: tuple[Number, Number], words: str, *, anchor: str = "start", strong: bool = False
) -> str:
    """Return a text element; ``at`` is in pixels of the view box."""
    shape = f'text-anchor="{anchor}"' + (' class="strong"' if strong else "")
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {shape}>{escape(words)}</text>'


def ticks(low: Number, high: Number, number: int = 5) -> list[float]:
    """Return about ``number`` round values from ``low`` to ``high``, three at least."""
    rough = (high - low) / max(number - 1, 1)
    if not rough > 0:
        return [float(low)]
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(s for s in (1, 2, 2.5, 5, 10) if s * magnitude >= rough * 0.999) * magnitude
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    if last - first < 2 and number < 12:
        return ticks(low, high, number + 1)
    return [step * i for i in range(first, last + 1)]


def limits(
    values: Iterable[Number], *, floor: Number | None = None, margin: Number = 0.06
) -> tuple[Number, Number]:
    """Return a range that holds every finite value with a margin; ``floor`` fixes its low end."""
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high == low:
        low, high = low - abs(low) * 0.1 - 1e-6, high + abs(high) * 0.1 + 1e-6
    space = (high - low) * margin
    return (low - space if floor is None else floor), high + space


def plot(
    x: tuple[Number, Number],
    y: tuple[Number, Number],
    about: str,
    *,
    height: Number = HEIGHT,
    left: Number = 48.0,
    top: Number = 12.0,
) -> Plot:
    """Return an empty figure with room for axes: data ranges ``x`` and ``y``."""
    return Plot(
        x=Scale(*x, left, WIDTH - 12),
        y=Scale(*y, height - 44, top),
        about=about,
        height=height,
    )


def axes(
    figure: Plot,
    x_title: str,
    *,
    x_ticks: Sequence[Number] | None = None,
    x_words: Callable[[float], str] | None = None,
    y_ticks: Sequence[Number] | None = None,
    y_words: Callable[[float], str] | None = None,
) -> None:
    """Draw horizontal grid lines, tick labels and the title below; the y unit stands above."""
    xs = ticks(figure.x.low, figure.x.high) if x_ticks is None else x_ticks
    ys = ticks(figure.y.low, figure.y.high) if y_ticks is None else y_ticks
    x_words, y_words = x_words or words_for(xs), y_words or words_for(ys)
    bottom = figure.y.start
    for value in ys:
        place = figure.y(value)
        style = "axis" if abs(place - bottom) < 0.5 else "grid"
        figure.segment((figure.x.low, value), (figure.x.high, value), style)
        figure.add(label((figure.x.start - 8, place + 4), y_words(value), anchor="end"))
    for value in xs:
        figure.add(label((figure.x(value), bottom + 18), x_words(value), anchor="middle"))
    middle = (figure.x.start + figure.x.end) / 2
    figure.add(label((middle, bottom + 39), x_title, anchor="middle"))


def words_for(values: Sequence[Number]) -> Callable[[float], str]:
    """Return a formatter with just the digits that tell the ticks apart."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if step > 0 and abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return lambda value: f"{value + 0.0:.{digits}f}".replace("-", "−")


def percent_words(values: Sequence[Number]) -> Callable[[float], str]:
    """Return a formatter of shares as percent."""
    plain = words_for([100 * value for value in values])
    return lambda value: f"{plain(100 * value)}\u202f%"
