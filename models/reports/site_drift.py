"""The page of drift over time: which groups moved in which run, and how far."""

from collections.abc import Mapping, Sequence

from models.reports.blocks import count, figure, figures, join, mark, number, table, text
from models.reports.drift_results import DRIFT_GROUPS, DriftVerdict, GroupVerdict, relative
from models.reports.page import Headline, Html, Section, render_page
from models.reports.site_charts import Track, time_chart
from models.reports.site_content import Run, Site
from models.reports.site_wording import drift_mark, page_links, run_link, when

PAGE = "drift.html"
FURTHEST_SHOWN = 4.0  # thresholds; one far window would press all others flat
TITLES = {"semantic_ids": "Semantic IDs"}


def drift_page(site: Site) -> str:
    """Return the page of all drift verdicts, line by line."""
    looked = _fresh([run for run in site.runs if run.drift is not None])
    lines = sorted({run.line for run in looked})
    return render_page(
        "What moved, and when",
        [Section(line, _body([run for run in looked if run.line == line])) for line in lines],
        verdict=_headline(looked),
        lead="A figure of 1 is the threshold: the distance that windows without drift stay below "
        "in all but few cases. All windows in one place, with every distribution: "
        "intentflow drift-ui",
        kicker="intentflow · drift",
    )


def groups_of(verdict: DriftVerdict) -> Mapping[str, GroupVerdict]:
    """Return the verdict of each group; of an older verdict, made of its columns."""
    if verdict.groups or not verdict.columns:
        return {str(name): group for name, group in verdict.groups.items()}
    found: dict[str, GroupVerdict] = {}
    for name in dict.fromkeys(column.group for column in verdict.columns):
        columns = [column for column in verdict.columns if column.group == name]
        furthest = max(columns, key=relative)
        found[name] = GroupVerdict(
            drifted=any(column.drifted for column in columns),
            statistic=furthest.statistic,
            threshold=furthest.threshold,
            columns=tuple(column.name for column in columns if column.drifted),
        )
    return found


def _fresh(runs: Sequence[Run]) -> list[Run]:
    """Return the first run of each drift page: later ones took it from the cache."""
    first: dict[str, Run] = {}
    for run in runs:
        key = next((page.key for page in run.documents if page.kind == "drift"), run.name)
        first[key] = run
    return sorted(first.values(), key=lambda run: run.at, reverse=True)


def _headline(looked: Sequence[Run]) -> Headline:
    if not looked:
        return Headline("No window has been compared yet.")
    newest, drifted = looked[0], [run for run in looked if run.drift and run.drift.drifted]
    several = f"{len(drifted)} of {len(looked)} windows drifted."
    if newest.drift and newest.drift.drifted:
        said = newest.drift.summary or "The newest window has drifted."
        return Headline(said, (f"{when(newest.at)} UTC, {newest.line}.", several), "bad")
    return Headline(
        "No drift in the newest window.",
        (f"{when(newest.at)} UTC, {newest.line}.", several),
        "good",
    )


def _body(runs: Sequence[Run]) -> Html:
    verdicts = [(run, groups_of(run.drift)) for run in runs if run.drift is not None]
    known = {name for _, groups in verdicts for name in groups}
    names = [*(g for g in DRIFT_GROUPS if g in known), *sorted(known - {*DRIFT_GROUPS})]
    if not names:
        return join(text("The verdicts tell no groups.", "note"), _table(verdicts, []))
    return join(_table(verdicts, names), figures([_figure(verdicts, name) for name in names]))


def _table(verdicts: Sequence[tuple[Run, Mapping[str, GroupVerdict]]], names: list[str]) -> Html:
    rows = [
        [
            run_link(PAGE, run, when(run.at)),
            drift_mark(run),
            *(_cell(groups.get(name)) for name in names),
            _rows(run.drift),
            page_links(PAGE, run, "drift"),
        ]
        for run, groups in verdicts
    ]
    head = ["Run", "Drift", *map(_title, names), "Rows, newest against reference", "Pages"]
    return table(head, rows)


def _cell(group: GroupVerdict | None) -> Html:
    if group is None or group.statistic is None:
        return Html("–")
    words = f"{number(group.relative, 2)}×"
    return mark(words, "bad") if group.drifted else Html(words)


def _rows(verdict: DriftVerdict | None) -> str:
    if verdict is None or verdict.current_rows is None or verdict.reference_rows is None:
        return "–"
    return f"{count(verdict.current_rows)} against {count(verdict.reference_rows)}"


def _figure(verdicts: Sequence[tuple[Run, Mapping[str, GroupVerdict]]], name: str) -> Html:
    seen = [
        (run.at, groups[name]) for run, groups in reversed(verdicts) if name in groups
    ]  # oldest first
    calm = [(at, min(g.relative, FURTHEST_SHOWN)) for at, g in seen]
    moved = [(at, min(g.relative, FURTHEST_SHOWN)) for at, g in seen if g.drifted]
    tracks = [Track(moved, "bad", joined=False), Track(calm, "model")]
    chart = time_chart(
        [track for track in tracks if track.points],
        f"Drift of {_title(name)} over time",
        threshold=1.0,
        floor=0.0,
        height=200,
    )
    return figure(_title(name), "distance over its threshold", chart)


def _title(name: str) -> str:
    return TITLES.get(name, name.capitalize())
