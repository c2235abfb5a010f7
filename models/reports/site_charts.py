"""Figures over time: one point a run or release, dates below."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from models.reports.page import Html, Number
from models.reports.svg import Plot, axes, limits, plot, ticks, words_for

CROWD = 25  # more points than this get small dots
MINUTE, HOUR, DAY = 60, 3600, 86_400
_STEPS = (
    *(n * MINUTE for n in (1, 2, 5, 10, 20, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 4, 7, 14, 28, 56, 91, 182, 365, 730)),
)
Point = tuple[datetime, Number]


@dataclass(frozen=True, slots=True)
class Track:
    """Values over time.

    Attributes:
        points: Oldest first.
        style: "model", "base", "champion", "good" or "bad".
        held: Whether a value holds until the next one, so that the line has steps.
        joined: Whether there is a line at all.
        dots: Whether each value has a dot.
    """

    points: Sequence[Point]
    style: str
    held: bool = False
    joined: bool = True
    dots: bool = True


def time_chart(
    tracks: Sequence[Track],
    about: str,
    *,
    threshold: Number | None = None,
    floor: Number | None = None,
    height: Number = 260,
) -> Html:
    """Return values over time.

    Args:
        tracks: What to draw, the first on top.
        about: What a reader who cannot see the figure is told.
        threshold: Where to draw a dashed line across.
        floor: Low end of the upright axis; fitted to the values if absent.
        height: Of the view box, in pixels.
    """
    values = [value for track in tracks for _, value in track.points]
    extra = [] if threshold is None else [threshold]
    low, high = limits([*values, *extra], floor=floor, margin=0.12)
    start, end = _span([at for track in tracks for at, _ in track.points])
    figure = plot((start, end), (low, high), about, height=height, left=54)
    marks, words = time_ticks(start, end)
    upright = ticks(low, high, 4)
    axes(
        figure, "time, UTC", x_ticks=marks, x_words=words, y_ticks=upright,
        y_words=words_for(upright),
    )  # fmt: skip
    if threshold is not None:
        figure.segment((start, threshold), (end, threshold), "reference")
    for track in reversed(tracks):
        _draw(figure, track)
    return figure.svg()


def time_ticks(
    start: Number, end: Number, most: int = 5
) -> tuple[list[Number], Callable[[float], str]]:
    """Return round times from ``start`` to ``end`` (seconds since 1970) and how to write them."""
    step = next((s for s in _STEPS if (end - start) / s < most), _STEPS[-1])
    first = int(-(-start // step) * step)
    marks = list(range(first, int(end) + 1, step)) or [start]
    return [*marks], _form(start, end, step)


def _form(start: Number, end: Number, step: int) -> Callable[[float], str]:
    """Return the shortest form that tells the ticks apart and names the day."""
    if step >= DAY:
        return lambda value: _day(value) if end - start < 300 * DAY else f"{_moment(value):%b %Y}"
    if _day(start) == _day(end):
        return lambda value: f"{_moment(value):%H:%M}"
    return lambda value: f"{_day(value)} {_moment(value):%H:%M}"


def _draw(figure: Plot, track: Track) -> None:
    points = [(at.timestamp(), value) for at, value in track.points]
    drawn = list(_stepped(points, figure.x.high)) if track.held else points
    if track.joined:
        figure.line([at for at, _ in drawn], [value for _, value in drawn], track.style)
    for point in points if track.dots else ():
        figure.dot(point, f"fill-{track.style}", 4 if len(points) <= CROWD else 2)


def _stepped(points: Sequence[tuple[float, Number]], end: Number) -> Iterable[tuple[float, Number]]:
    """Yield the corners of a line that holds each value until the next."""
    for (at, value), (until, _) in pairwise([*points, (end, 0.0)]):
        yield at, value
        yield until, value


def _span(moments: Sequence[datetime]) -> tuple[float, float]:
    """Return the times the axis begins and ends at, seconds since 1970."""
    stamps = [moment.timestamp() for moment in moments] or [0.0]
    margin = max((max(stamps) - min(stamps)) * 0.05, 2 * MINUTE)
    return min(stamps) - margin, max(stamps) + margin


def _day(seconds: Number) -> str:
    moment = _moment(seconds)
    return f"{moment.day} {moment:%b}"


def _moment(seconds: Number) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
