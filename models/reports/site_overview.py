"""The first page of the report site: what is in production, and what happened last."""

from models.reports.blocks import Tile, join, link, links, mark, table, text, tiles
from models.reports.page import Headline, Html, Section, Tone, render_page
from models.reports.site_champions import line_figures
from models.reports.site_content import Line, Run, Site
from models.reports.site_frame import INDEX, SECTIONS
from models.reports.site_runs import runs_table
from models.reports.site_schedules import bad_firings
from models.reports.site_wording import drift_mark, lasted, run_link, when

NEWEST = 8
ABOUT = {
    "runs.html": "Every run, what it found, and all its pages.",
    "champions.html": "What was in production when, how good it was, and why it changed.",
    "evaluations.html": "Ranking, calibration and intent of every model; challenger and champion.",
    "drift.html": "Which features, labels, codes and scores moved in which window.",
    "data.html": "Validation, Great Expectations' Data Docs, intent levels.",
    "tokenizers.html": "How well the semantic IDs describe the catalogue.",
    "schedules.html": "What ran by itself, what failed, what was missed.",
    "backtests.html": "What retraining never, weekly or daily would have brought.",
    "benchmarks.html": "Models over seeds on one split: who is best, and whether that is luck.",
}


def overview_page(site: Site, shown: list[str]) -> str:
    """Return ``index.html``; ``shown`` are the parts of the site there are."""
    parts = {
        title: (name, ABOUT[name])
        for name, title in SECTIONS.items()
        if name in shown and name != INDEX
    }
    sections = [
        Section("At a glance", _tiles(site)),
        Section("In production", _production(site)),
        Section("Newest runs", runs_table(INDEX, site, site.runs[:NEWEST])),
        Section("Everything", links(parts)),
    ]
    return render_page(
        "How things stand",
        sections,
        verdict=_headline(site),
        facts={"Made": f"{when(site.made_at)} UTC", "Runs": len(site.runs)},
        kicker="intentflow · all reports",
    )


def _headline(site: Site) -> Headline:
    if not site.runs:
        return Headline("Nothing has run yet.", ("Start with: make run",))
    newest = site.runs[0]
    serving = [line for line in site.lines if line.production]
    words = f"{len(serving)} model{'s' * (len(serving) != 1)} in production"
    trouble = _trouble(site, newest)
    if trouble:
        return Headline(f"{words}. {trouble[0]}", tuple(trouble[1:]), "mixed")
    tone: Tone = "good" if serving else "plain"
    return Headline(f"{words}, and nothing that calls for you.", (), tone)


def _trouble(site: Site, newest: Run) -> list[str]:
    """Return what somebody should look at, one sentence each."""
    found = []
    if newest.drift is not None and newest.drift.drifted:
        found.append(newest.drift.summary or f"{newest.line} has drifted.")
    if newest.checks is not None and newest.checks[1]:
        found.append(f"{len(newest.checks[1])} validation checks warn in the newest run.")
    if site.firings and bad_firings(site.firings[:1]):
        firing = site.firings[0]
        found.append(f"Schedule {firing.schedule}: {firing.status}. {firing.reason}")
    if site.unreadable:
        found.append(f"{len(site.unreadable)} files could not be read; the runs page names them.")
    return found


def _tiles(site: Site) -> Html:
    registered = sum(run.news for run in site.runs)
    values = [
        Tile("Runs", str(len(site.runs)), "that ended", lines=(("new versions", str(registered)),)),
        Tile(
            "Changes of production",
            str(sum(len(line.reigns()) for line in site.lines)),
            "promotions and rollbacks",
        ),
        _drift_tile(site),
    ]
    if site.firings:
        failed = len(bad_firings(site.firings))
        lines = (("failed or missed", str(failed)),)
        values.append(Tile("Scheduled", str(len(site.firings)), "instants so far", lines=lines))
    return tiles(values)


def _drift_tile(site: Site) -> Tile:
    looked = [run for run in site.runs if run.drift is not None]
    drifted = sum(run.drift.drifted for run in looked if run.drift)
    return Tile("Runs with drift", f"{drifted} of {len(looked)}", "newest days against before")


def _production(site: Site) -> Html:
    if not site.lines:
        return text("Nothing yet.", "note")
    rows = [_row(site, line) for line in site.lines]
    body = table(["Line", "Version", "Since", "Made by", "Newest drift"], rows)
    return join(body, *(line_figures(line) for line in site.lines[:1]))


def _row(site: Site, line: Line) -> list[Html | str]:
    newest = next((run for run in site.runs if run.line == line.name), None)
    drift = drift_mark(newest) if newest else Html("–")
    reigns = line.reigns()
    if not line.production or not reigns:
        return [line.name, mark("nothing in production", "mixed"), "–", "–", drift]
    version = line.version(line.production)
    run = site.run_of(version) if version else None
    since = link(when(reigns[-1].since), "", lasted(site.made_at - reigns[-1].since))
    made = run_link(INDEX, run, run.model) if run else Html("–")
    return [line.name, line.production, since, made, drift]
