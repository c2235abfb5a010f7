"""The pages of the schedules and the backtests."""

from collections import Counter
from collections.abc import Sequence

from models.reports.blocks import Tile, link, mark, table, text, tiles
from models.reports.page import Headline, Html, Section, Tone, render_page
from models.reports.site_content import Firing, Site
from models.reports.site_frame import address
from models.reports.site_wording import lasted, page_link, when

PAGE, BACKTESTS = "schedules.html", "backtests.html"
TONES: dict[str, Tone] = {
    "succeeded": "good",
    "failed": "bad",
    "timed_out": "bad",
    "missed": "mixed",
    "skipped": "plain",
    "running": "plain",
}


def schedules_page(site: Site) -> str:
    """Return the page of what schedules did."""
    firings = site.firings
    sections = []
    if firings:
        sections = [
            Section("By schedule", _tiles(firings)),
            Section("History", _table(site, firings), "Newest first; times are UTC."),
        ]
    return render_page(
        "What ran by itself, and what should have",
        sections,
        verdict=_headline(firings),
        kicker="intentflow · schedules",
    )


def backtests_page(site: Site) -> str:
    """Return the page that lists all backtests."""
    rows = [[page_link(BACKTESTS, page), when(at)] for at, page in site.backtests]
    many = len(site.backtests)
    return render_page(
        "What other schedules would have brought",
        [Section("Backtests", table(["Page", "Made"], rows))],
        verdict=Headline(f"{many} backtest{'s were' if many != 1 else ' was'} made."),
        lead="A backtest replays weeks of a data set with no retraining, weekly and daily, and "
        "draws the quality of each over time.",
        kicker="intentflow · backtests",
    )


def bad_firings(firings: Sequence[Firing]) -> list[Firing]:
    """Return those of which somebody should know."""
    return [firing for firing in firings if TONES[firing.status] in {"bad", "mixed"}]


def _headline(firings: Sequence[Firing] | None) -> Headline:
    if firings is None:
        return Headline(
            "No schedule is installed.",
            ("intentflow schedule install NAME lets a pipeline run by itself.",),
        )
    if not firings:
        return Headline("A schedule is installed; nothing was due yet.")
    newest, bad = firings[0], bad_firings(firings)
    said = f"The newest, {newest.schedule} of {when(newest.scheduled_at)} UTC: {_words(newest)}."
    counts = f"{len(bad)} of {len(firings)} failed, timed out or were missed."
    return Headline(said, (newest.reason, counts) if newest.reason else (counts,), _tone(newest))


def _tone(firing: Firing) -> Tone:
    return TONES[firing.status]


def _words(firing: Firing) -> str:
    return firing.status.replace("_", " ")


def _tiles(firings: Sequence[Firing]) -> Html:
    shown = []
    for name in dict.fromkeys(firing.schedule for firing in firings):
        own = [firing for firing in firings if firing.schedule == name]
        counts = Counter(_words(firing) for firing in own)
        newest = f"newest: {when(own[0].scheduled_at)} UTC"
        lines = tuple((words, str(number)) for words, number in counts.most_common())
        shown.append(Tile(name, _words(own[0]), newest, lines=lines))
    return tiles(shown)


def _table(site: Site, firings: Sequence[Firing]) -> Html:
    if not firings:
        return text("Nothing yet.", "note")
    rows = [
        [
            link(when(firing.scheduled_at), "", firing.schedule),
            mark(_words(firing), _tone(firing)),
            when(firing.started_at) if firing.started_at else "–",
            _took(firing),
            str(firing.attempt) if firing.attempt else "–",
            _run(site, firing.run),
            firing.reason or "–",
        ]
        for firing in firings
    ]
    return table(["Due", "Status", "Started", "Took", "Attempt", "Run", "Why"], rows)


def _took(firing: Firing) -> str:
    if firing.started_at is None or firing.ended_at is None:
        return "–"
    return lasted(firing.ended_at - firing.started_at)


def _run(site: Site, name: str) -> Html | str:
    known = site.run(name) if name else None
    return link(name, address(PAGE, known.address)) if known else name or "–"
