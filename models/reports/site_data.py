"""The pages of the data and the tokenizers: what validations, intent levels and codebooks told."""

from collections.abc import Mapping, Sequence

from models.artifacts import Scalar
from models.reports.blocks import count, mark, number, percent, table, text
from models.reports.page import Headline, Html, Section, render_page
from models.reports.site_content import Run, Site
from models.reports.site_wording import names, page_link, run_link, when

DATA, TOKENIZERS = "data.html", "tokenizers.html"


def data_page(site: Site) -> str:
    """Return the page of all validations, Data Docs and intent levels."""
    newest = next((run for run in site.runs if run.checks is not None), None)
    return render_page(
        "Were the data fit for use?",
        [
            Section("Validation", _validations(site)),
            Section("Intent levels", _intents(site)),
        ],
        verdict=_data_headline(newest),
        lead="A failed critical check ends a run before it has pages of its own here; its command "
        "says what failed. Each page is made once for the same tables and settings.",
        kicker="intentflow · data",
    )


def tokenizers_page(site: Site) -> str:
    """Return the page of all tokenizer diagnostics."""
    found = list(site.documents("semantic_ids"))
    said = f"{len(found)} tables of semantic IDs were made." if found else "No semantic IDs yet."
    if len(found) == 1:
        said = "One table of semantic IDs was made."
    head = [
        "Page", "Made by", "Gate", "Items", "Codes", "Alone in their codes",
        "Codes in use, by level", "Variance lost", "IDs changed",
    ]  # fmt: skip
    rows = [
        [page_link(TOKENIZERS, page), _maker(TOKENIZERS, runs), *_tokenizer_cells(page.figures)]
        for page, runs in found
    ]
    body = table(head, rows) if rows else text("Nothing yet.", "note")
    lead = (
        "A tokenizer stays in use until its gate calls for a new one: when items change their IDs, "
        "models trained with the old ones no longer fit."
    )
    return render_page(
        "How well the codebooks describe the catalogue",
        [Section("Semantic IDs", body, lead)],
        verdict=Headline(said),
        kicker="intentflow · tokenizers",
    )


def _data_headline(newest: Run | None) -> Headline:
    if newest is None or newest.checks is None:
        return Headline("No tables have been validated yet.")
    total, warnings = newest.checks
    where = f"{newest.line}, {when(newest.at)} UTC."
    if warnings:
        said = f"The newest tables passed, with {len(warnings)} of {total} checks warning."
        return Headline(said, (names(warnings), where), "mixed")
    return Headline(f"The newest tables passed all {total} checks.", (where,), "good")


def _validations(site: Site) -> Html:
    docs = {page.key: page for page, _ in site.documents("validation") if "Data Docs" in page.title}
    rows = [
        [
            page_link(DATA, page),
            page_link(DATA, docs[page.key], "Data Docs") if page.key in docs else Html("–"),
            _verdict(page.figures),
            _maker(DATA, runs),
        ]
        for page, runs in site.documents("validation")
        if docs.get(page.key) is not page
    ]
    head = ["Page", "Great Expectations", "Verdict", "Made by"]
    return table(head, rows) if rows else text("Nothing yet.", "note")


def _verdict(figures: Mapping[str, Scalar]) -> Html:
    checks, warnings = figures.get("checks"), figures.get("warnings")
    if not figures.get("passed"):
        return mark("failed", "bad")
    if isinstance(warnings, int) and warnings:
        return mark(f"{warnings} of {checks} checks warn", "mixed")
    return mark(f"all {checks} checks passed", "good")


def _intents(site: Site) -> Html:
    rows = [
        [
            page_link(DATA, page),
            _maker(DATA, runs),
            _whole(page.figures.get("levels")),
            _whole(page.figures.get("impressions_with_level")),
            _share(page.figures.get("largest_share")),
            _real(page.figures.get("mutual_information_bits")),
        ]
        for page, runs in site.documents("intents")
    ]
    head = ["Page", "Made by", "Levels", "Impressions", "At the largest level", "Bits of the click"]
    return table(head, rows) if rows else text("Nothing yet.", "note")


def _tokenizer_cells(figures: Mapping[str, Scalar]) -> list[Html | str]:
    levels = figures.get("levels")
    number_of_levels = levels if isinstance(levels, int) else 0
    used = [_share(figures.get(f"utilisation_{level}")) for level in range(number_of_levels)]
    approved = figures.get("gate_approved")
    gate = Html("–")
    if isinstance(approved, bool):
        gate = mark("approved", "good") if approved else mark("turned down", "mixed")
    return [
        gate,
        _whole(figures.get("items")),
        f"{number_of_levels} × {_whole(figures.get('codes'))}",
        _share(figures.get("unique_rate")),
        ", ".join(used) or "–",
        _share(figures.get("fvu")),
        _share(figures.get("churn")),
    ]


def _maker(page: str, runs: Sequence[Run]) -> Html:
    """Return the run that made a page, and how many used it since."""
    first = runs[-1]
    again = f" · {len(runs) - 1} later run{'s' * (len(runs) > 2)} too" if len(runs) > 1 else ""
    return run_link(page, first, f"{when(first.at)}{again}")


def _whole(value: Scalar) -> str:
    return count(value) if isinstance(value, int) else "–"


def _share(value: Scalar) -> str:
    return percent(value) if isinstance(value, int | float) else "–"


def _real(value: Scalar) -> str:
    return number(value) if isinstance(value, int | float) else "–"
