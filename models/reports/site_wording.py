"""The words that pages of the report site share: times, outcomes, marks."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.reports.blocks import link, mark, number, signed
from models.reports.page import Html, Tone
from models.reports.site_content import Document, Line, Metrics, Run, Site, Stage
from models.reports.site_frame import address
from models.reports.verdicts import MetricDifference
from models.reports.wording import METRIC_NAMES, interval_words

METRICS = ("auc", "gauc", "log_loss", "ece")
STAGES: dict[Stage, tuple[str, Tone]] = {
    "production": ("in production", "good"),
    "staging": ("in staging", "mixed"),
    "candidate": ("candidate", "plain"),
    "archived": ("was in production", "plain"),
}
NO_PAGE = "not on disk: intentflow checkout brings it back"


def when(at: datetime) -> str:
    """Return a time as people read it; all times of the site are UTC."""
    return f"{at:%Y-%m-%d %H:%M}"


def lasted(span: timedelta) -> str:
    """Return a duration in its largest unit."""
    seconds = span.total_seconds()
    for name, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            amount = round(seconds / length)
            return f"{amount} {name}{'s' * (amount != 1)}"
    return f"{seconds:.0f} s"


def names(words: Sequence[str], most: int = 4) -> str:
    """Return words in a row, the first few of many."""
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")


def stage(line: Line | None, version: str) -> tuple[str, Tone]:
    """Return where a version stands in its line, in words and a tone."""
    known = line.version(version) if line else None
    if line is None or known is None:
        return "not registered", "plain"
    if known.stage == "candidate" and not known.approved:
        return "turned down by the gate", "mixed"
    if known.stage == "archived" and all(reign.version != version for reign in line.reigns()):
        return "was in staging", "plain"
    return STAGES[known.stage]


def release_mark(site: Site, run: Run) -> Html:
    """Return what became of a run's model, as a mark."""
    words, tone = stage(site.line(run.line), run.version)
    return mark(words, tone)


def drift_mark(run: Run) -> Html:
    """Return the drift verdict of a run, as a mark."""
    if run.drift is None:
        return Html("–")
    return mark("drifted", "bad") if run.drift.drifted else mark("none", "good")


def gain_words(gain: MetricDifference) -> str:
    """Return a difference with its interval, in a line."""
    interval = interval_words(gain.low, gain.high, sign=True)
    return signed(gain.difference) + (f", {interval}" if interval else "")


def gain_cell(gains: Sequence[MetricDifference], metric: str) -> Html:
    """Return the difference in a metric with its interval below, a dash where there is none."""
    gain = next((g for g in gains if g.metric == metric and g.difference is not None), None)
    if gain is None:
        return Html("–")
    between = "" if gain.low is None else f"{signed(gain.low)} to {signed(gain.high)}"
    return link(signed(gain.difference), "", between)


def metric_cells(metrics: Metrics | None) -> list[str]:
    """Return the values of `METRICS`, a dash for what is not known."""
    return [number((metrics or {}).get(name)) for name in METRICS]


def metric_heads() -> list[str]:
    """Return the names of `METRICS`."""
    return [METRIC_NAMES[name] for name in METRICS]


def page_link(page: str, document: Document, words: str | None = None) -> Html:
    """Return a link to a page that a step made, or how to bring it back."""
    shown = words or document.title
    if not document.address:
        return link(shown, "", NO_PAGE)
    return link(shown, address(page, document.address))


def page_links(page: str, run: Run, *kinds: str) -> Html:
    """Return links to the pages of these kinds that a run has, one below the other."""
    return Html("<br>".join(page_link(page, d) for d in run.documents if d.kind in kinds))


def run_link(page: str, run: Run, below: str = "") -> Html:
    """Return a link to the page of a run."""
    return link(run.name, address(page, run.address), below)
