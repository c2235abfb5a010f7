"""The page of the report site that lists all benchmarks."""

from models.reports.blocks import link, mark, table, words
from models.reports.page import Headline, Html, Section, render_page
from models.reports.site_content import Document, Site
from models.reports.site_frame import address
from models.reports.site_wording import when

PAGE = "benchmarks.html"


def benchmarks_page(site: Site) -> str:
    """Return the page that lists all benchmarks, newest first."""
    rows = [
        [
            link(page.title, address(PAGE, page.address), str(page.figures.get("name", ""))),
            when(at),
            str(page.figures.get("data") or "–"),
            words(str(page.figures.get("found", ""))),
            page.figures.get("variants"),
            _trainings(page),
        ]
        for at, page in site.benchmarks
    ]
    heads = ["Page", "Made", "Data set", "What it found", "Variants", "Trainings"]
    return render_page(
        "Which model is best, and is that luck?",
        [Section("Benchmarks", table(heads, rows))],
        verdict=_headline(site),
        lead="A benchmark trains models with several seeds on one split and tells how far apart "
        "they are. One that was run again has a line for each result.",
        kicker="intentflow · benchmarks",
    )


def _headline(site: Site) -> Headline:
    if not site.benchmarks:
        return Headline("No benchmark was run yet.")
    _, newest = site.benchmarks[0]
    return Headline(f"The newest, {newest.title}: {newest.figures.get('found')}")


def _trainings(page: Document) -> Html:
    missing, done = page.figures.get("missing"), page.figures.get("trainings")
    if not missing:
        return Html(f"{done}")
    return Html(f"{done}, {mark(f'{missing} missing', 'mixed')}")
