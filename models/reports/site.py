"""All pages of the report site that are drawn anew, by their place in it."""

from collections.abc import Callable

from models.reports.site_benchmarks import benchmarks_page
from models.reports.site_champions import champions_page
from models.reports.site_content import Site
from models.reports.site_data import data_page, tokenizers_page
from models.reports.site_drift import drift_page
from models.reports.site_evaluations import evaluations_page
from models.reports.site_frame import INDEX, SECTIONS, Frame
from models.reports.site_overview import overview_page
from models.reports.site_runs import run_page, runs_page
from models.reports.site_schedules import backtests_page, schedules_page

_PAGES: dict[str, Callable[[Site], str]] = {
    "runs.html": runs_page,
    "champions.html": champions_page,
    "evaluations.html": evaluations_page,
    "drift.html": drift_page,
    "data.html": data_page,
    "tokenizers.html": tokenizers_page,
    "schedules.html": schedules_page,
    "backtests.html": backtests_page,
    "benchmarks.html": benchmarks_page,
}


def sections(site: Site) -> list[str]:
    """Return the parts the site has: all, but backtests and benchmarks only where there are any."""
    optional = {"backtests.html": site.backtests, "benchmarks.html": site.benchmarks}
    return [name for name in SECTIONS if optional.get(name, True)]


def site_pages(site: Site) -> dict[str, str]:
    """Return place → HTML of every page but those that steps made."""
    shown = sections(site)
    pages = {
        name: Frame(name, name, shown).around(_PAGES[name](site)) for name in shown if name != INDEX
    }
    for run in site.runs:
        frame = Frame(run.address, "runs.html", shown)
        pages[run.address] = frame.around(run_page(site, run))
    pages[INDEX] = Frame(INDEX, INDEX, shown).around(overview_page(site, shown))
    return pages
