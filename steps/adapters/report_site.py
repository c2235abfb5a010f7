"""The report site: everything a state folder holds, as pages that open from disk."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from models.reports.site import sections, site_pages
from models.reports.site_content import FailedRun, Run, Site
from models.reports.site_frame import HOME_OF, SECTIONS, Frame, targets, without_dead_links
from steps.adapters.site_files import Entry, SiteFolder, new_site, stamp
from steps.adapters.site_sources import read_site
from steps.adapters.workspace import state_folder

FOLDER = "report"
LARGEST_FRAMED = 1_000_000  # bytes; a larger page is a tool's own and keeps its bytes


@dataclass(frozen=True, slots=True)
class Built:
    """What was built.

    Attributes:
        index: The first page.
        pages: Number of pages.
        kept: How many files are those of the site before.
        runs: Number of runs told of.
        unreadable: What could not be read: file → why.
    """

    index: Path
    pages: int
    kept: int
    runs: int
    unreadable: dict[str, str]


def build_site(folder: Path | None = None, failed: Sequence[FailedRun] | None = None) -> Built:
    """Build the report site at ``folder`` and return what was built.

    Args:
        folder: Where it is to stand; ``report`` in the state folder if absent.
        failed: The runs that failed (`steps.adapters.failed_runs`), if they are to be told.

    Raises:
        ConfigError: there are files at ``folder`` that are not a report site.
    """
    out = (folder or state_folder() / FOLDER).resolve()
    with new_site(out, state_folder() / f"{FOLDER}.lock") as files:
        site = read_site(failed)
        _bring_pages(files, site)
        for place, html in site_pages(site).items():
            files.put(place, html)
    return Built(
        index=out / "index.html",
        pages=sum(place.endswith(".html") for place in files.entries),
        kept=files.kept,
        runs=len(site.runs),
        unreadable=dict(site.unreadable or {}),
    )


def _bring_pages(files: SiteFolder, site: Site) -> None:
    """Bring the pages that steps made, and whatever they refer to, into the site."""
    makers = _makers(site)
    shown = tuple(sections(site))
    others = [page.address for _, page in (*site.backtests, *site.benchmarks)]
    waiting = deque([*makers, *others])
    while waiting:
        place = waiting.popleft()
        if place in files.entries or not (state_folder() / place).is_file():
            continue
        maker = makers.get(place)
        entry = _bring(files, place, _frame(place, maker, shown))
        for found in entry.refers_to:
            if maker is not None:
                makers.setdefault(found, maker)
            waiting.append(found)


def _makers(site: Site) -> dict[str, Run]:
    """Return the place of each run's pages → the run that made it, the first of several."""
    oldest_first = list(reversed(site.runs))
    found: dict[str, Run] = {}
    for run in oldest_first:
        for page in run.documents:
            if page.address:
                found.setdefault(page.address, run)
    return found


def _frame(place: str, maker: Run | None, shown: tuple[str, ...]) -> Frame:
    parts = Path(place).parts
    kind = parts[1] if parts[0] == "artifacts" and len(parts) > 1 else "backtest"
    section = HOME_OF.get(kind, "runs.html")
    trail = [(SECTIONS[section], section)]
    if maker is not None:
        trail.append((maker.name, maker.address))
    return Frame(place, section, shown, tuple(trail))


def _bring(files: SiteFolder, place: str, frame: Frame) -> Entry:
    source = state_folder() / place
    if source.suffix != ".html" or source.stat().st_size > LARGEST_FRAMED:
        return files.take(place, source)
    bar = sha256(frame.around("<head></head><body>").encode()).hexdigest()[:16]
    mark = f"{stamp(source)}-{bar}"
    kept = files.keep(place, mark)
    if kept is not None:
        return kept
    html = source.read_text(encoding="utf-8")
    found = tuple(t for t in targets(place, html) if (state_folder() / t).is_file())
    page = frame.around(without_dead_links(place, html, found))
    return files.write(place, page.encode("utf-8"), mark, found)
