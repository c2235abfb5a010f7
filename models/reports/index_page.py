"""The page of a run: where everything it found can be read."""

from collections.abc import Mapping
from pathlib import Path

from models.reports.blocks import links, write_page
from models.reports.page import Headline, Section, render_page

ABOUT = {
    "Validation": "Whether the tables may be used, check by check.",
    "Great Expectations Data Docs": "The same checks in Great Expectations' own form.",
    "Intent levels": "How alike triggers and targets are, and what users click at each level.",
    "Semantic IDs": "What the tokenizer made of the catalogue, with items that share codes.",
    "Evaluation": "Ranking, calibration, intent and groups on the test split.",
    "Drift summary": "Which columns of the newest window moved, and how far.",
    "Drift, Evidently's full report": "Every distribution side by side; needs scripts.",
    "Challenger and champion": "Whether the new model should serve, and why.",
}


def write_index_page(
    folder: Path,
    reports: Mapping[str, str],
    *,
    title: str = "Reports of a run",
    verdict: Headline | None = None,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Write ``index.html`` into ``folder`` and return its path.

    Args:
        folder: Where the page goes.
        reports: Title to address, relative to ``folder``, in the order to show.
        title: The page's heading.
        verdict: What the run found, if it is to be said here.
        facts: What it takes to reproduce the run.
    """
    items = {name: (address, ABOUT.get(name, "")) for name, address in reports.items()}
    html = render_page(
        title,
        [Section("Reports", links(items))],
        verdict=verdict,
        facts=facts,
        kicker="intentflow · run",
    )
    return write_page(folder, "index.html", html)
