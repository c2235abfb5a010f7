"""The pages of runs: all of them, and each one."""

from collections.abc import Sequence

from models.reports.blocks import bullets, first, join, link, links, mark, table, text, words
from models.reports.index_page import ABOUT
from models.reports.page import Headline, Html, Section, render_page
from models.reports.site_content import FailedRun, Run, Site
from models.reports.site_frame import address
from models.reports.site_wording import (
    NO_PAGE,
    drift_mark,
    gain_words,
    metric_cells,
    metric_heads,
    release_mark,
    run_link,
    stage,
    when,
)
from models.reports.wording import METRIC_NAMES

PAGE = "runs.html"
KINDS = {"skip": "skipped", "warm": "warm start", "full": "full training"}
SHORT = metric_heads()[:2]  # the others stand on the page of the evaluations


def runs_page(site: Site) -> str:
    """Return the page of all runs, newest first."""
    registered = sum(run.news for run in site.runs)
    cached = sum(run.cached for run in site.runs)
    details = [f"{registered} of them made a model version that was not there before."]
    if cached:
        details.append(f"{cached} found nothing new: every step was answered from the cache.")
    said = f"{len(site.runs)} run{'s' * (len(site.runs) != 1)} ended."
    sections = [Section("Runs that ended", runs_table(PAGE, site, site.runs))]
    if site.windows:
        lead = "A retraining skips a window, goes on from the champion, or trains in full."
        sections.append(Section("Retraining windows", _windows(site), lead))
    if site.failed is not None:
        sections.append(Section("Runs that failed", _failed_table(site.failed)))
    if site.unreadable:
        rows = [[name, why] for name, why in site.unreadable.items()]
        lead = "These are left out of everything here."
        sections.append(Section("Not readable", table(["File", "Why"], rows), lead))
    return render_page(
        "Every run, newest first",
        sections,
        verdict=Headline(said, tuple(details)) if site.runs else Headline("No run has ended yet."),
        kicker="intentflow · runs",
    )


def runs_table(page: str, site: Site, runs: Sequence[Run]) -> Html:
    """Return runs as a table: what came of each, and how good its model was."""
    if not runs:
        return text("None yet. Start one: make run", "note")
    rows = [
        [
            run_link(page, run, f"{when(run.at)} · {run.line}" + " · cached" * run.cached),
            release_mark(site, run),
            link(run.model, "", "" if run.news else "made by an earlier run"),
            *metric_cells(run.metrics.get("challenger"))[: len(SHORT)],
            _checks(run),
            drift_mark(run),
        ]
        for run in runs
    ]
    head = ["Run", "Released", "Model", *SHORT, "Validation", "Drift"]
    return table(head, rows)


def run_page(site: Site, run: Run) -> str:
    """Return the page of a run: what it found, and all its pages."""
    sections = [Section("Pages", _pages(run)), Section("Quality", _quality(run))]
    decided = next((window for window in site.windows if window.run == run.name), None)
    if decided is not None:
        lead = f"The window that ends {when(decided.ends_at)} UTC: {KINDS[decided.kind]}."
        sections.append(Section("Retraining", bullets(decided.reasons), lead))
    if run.reasons:
        decision = "promoted the model" if run.promoted else "kept what was in production"
        sections.append(Section("Gate", bullets(run.reasons), f"The gate {decision}."))
    if run.drift is not None and run.drift.groups:
        sentences = [group.sentence for group in run.drift.groups.values() if group.sentence]
        sections.append(Section("Drift", bullets(sentences), run.drift.summary))
    return render_page(
        run.name,
        sections,
        verdict=_headline(site, run),
        facts=run.facts,
        kicker=f"intentflow · run of {run.line}",
    )


def _headline(site: Site, run: Run) -> Headline:
    standing, tone = stage(site.line(run.line), run.version)
    details = [f"Ended {when(run.at)} UTC."]
    if run.cached:
        details.append("Nothing had changed: every step was answered from the cache.")
    if run.checks is not None:
        total, warnings = run.checks
        details.append(f"{total} validation checks, {len(warnings)} with a warning.")
        details += first(warnings, 3)
    if run.drift is not None:
        said = run.drift.summary or "The newest window has drifted."
        details.append(said if run.drift.drifted or run.drift.summary else "No drift.")
    return Headline(f"{run.model}: {standing}.", tuple(details), tone)


def _pages(run: Run) -> Html:
    if not run.documents:
        return text("This run left no pages.", "note")
    return links(
        {
            page.title: (
                address(run.address, page.address) if page.address else "",
                ABOUT.get(page.title, "") if page.address else NO_PAGE,
            )
            for page in run.documents
        }
    )


def _quality(run: Run) -> Html:
    rows = [
        [role.capitalize(), *metric_cells(values)]
        for role in ("challenger", "champion", "baseline")
        if (values := run.metrics.get(role))
    ]
    parts = [table(["On the test split", *metric_heads()], rows)]
    compared = [gain for gain in run.gains if gain.difference is not None]
    if compared:
        gains = [[METRIC_NAMES.get(g.metric, g.metric), gain_words(g)] for g in compared]
        head = ["Challenger minus champion", "Difference (95\u202f% interval)"]
        parts.append(table(head, gains))
    return join(*parts)


def _checks(run: Run) -> str:
    if run.checks is None:
        return "–"
    total, warnings = run.checks
    warned = f", {len(warnings)} warn" if warnings else ""
    return f"{total} checks{warned}"


def _windows(site: Site) -> Html:
    rows = []
    for window in site.windows:
        run = site.run(window.run)
        address_of_run = address(PAGE, run.address) if run else ""
        rows.append(
            [
                link(when(window.ends_at), "", window.line),
                mark(KINDS[window.kind], "plain" if window.kind == "skip" else "good"),
                words(" ".join(window.reasons)),
                link(window.run, address_of_run, when(window.at)),
                window.version or "–",
            ]
        )
    return table(["Window ends", "Decision", "Why", "Run", "Version"], rows)


def _failed_table(failed: Sequence[FailedRun]) -> Html:
    if not failed:
        return text("None.", "note")
    rows = [
        [link(run.name, "", when(run.at)), run.step or "–", words(run.reason)] for run in failed
    ]
    return table(["Run", "Step", "Why"], rows)
