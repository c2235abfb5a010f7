"""The page of the champions: what was in production, when, how good it was, and why it changed."""

from models.reports.blocks import (
    figure,
    figures,
    folded,
    join,
    link,
    mark,
    table,
    text,
    words,
)
from models.reports.charts import legend
from models.reports.page import Headline, Html, Section, Tone, render_page
from models.reports.site_charts import Track, time_chart
from models.reports.site_content import Change, Line, Reign, Run, Site
from models.reports.site_frame import address
from models.reports.site_wording import (
    gain_cell,
    lasted,
    metric_cells,
    metric_heads,
    stage,
    when,
)
from models.reports.wording import METRIC_NAMES

PAGE = "champions.html"
CHARTED = ("auc", "gauc")
_TONES: dict[str, Tone] = {"promote": "good", "rollback": "bad", "stage": "mixed"}
_WORDS = {
    "register": "registered",
    "stage": "put into staging",
    "withdraw": "taken from staging",
    "promote": "promoted",
    "rollback": "rolled back to",
}


def champions_page(site: Site) -> str:
    """Return the page of all lines of releases."""
    sections = [Section(line.name, _body(site, line), _lead(line)) for line in site.lines]
    return render_page(
        "What is in production, and what was",
        sections,
        verdict=_headline(site),
        kicker="intentflow · champions",
    )


def line_figures(line: Line) -> Html:
    """Return the quality of a line's champions over time; nothing where there are no figures."""
    keys = legend([("in production", "model"), ("registered", "dot-base")])
    charts = [
        figure(
            METRIC_NAMES[metric],
            "on the test split of the run that made the version",
            join(keys, chart),
            "Each version was judged on its own run's newest days, so part of a step is the days' "
            "own; the gain in the table is on the same days." * (metric == CHARTED[0]),
        )
        for metric in CHARTED
        if (chart := _chart(line, metric))
    ]
    return figures(charts) if charts else Html()


def _chart(line: Line, metric: str) -> Html:
    value = {v.name: v.metrics.get(metric) for v in line.versions}
    reigns = [(r.since, v) for r in line.reigns() if (v := value.get(r.version)) is not None]
    registered = [(v.at, known) for v in line.versions if (known := value[v.name]) is not None]
    if not registered:
        return Html()
    tracks = [
        Track(reigns, "model", held=True),
        Track(registered, "base", joined=False),
    ]
    return time_chart(tracks, f"{METRIC_NAMES[metric]} of the champions of {line.name} over time")


def _headline(site: Site) -> Headline:
    if not site.lines:
        return Headline("No model has been registered yet.", ("make run registers the first.",))
    serving = [line for line in site.lines if line.production]
    details = [
        f"{line.name}: {line.production} since {when(line.reigns()[-1].since)} UTC."
        for line in serving
        if line.reigns()
    ]
    rest = [line.name for line in site.lines if not line.production]
    if rest:
        details.append(f"Nothing in production yet: {', '.join(rest)}.")
    many = f"{len(serving)} model{'s are' if len(serving) != 1 else ' is'} in production."
    return Headline(many, tuple(details), "good" if serving else "plain")


def _lead(line: Line) -> str:
    switches = len(line.reigns())
    return (
        f"{len(line.versions)} version{'s' * (len(line.versions) != 1)} registered; production "
        f"changed {switches} time{'s' * (switches != 1)}."
    )


def _body(site: Site, line: Line) -> Html:
    reigns = [_reign(site, line, reign) for reign in reversed(line.reigns())]
    head = ["Version", "In production", *metric_heads(), "Gain in AUC, 95\u202f% interval", "Why"]
    champions = table(head, reigns) if reigns else text("Nothing was promoted yet.", "note")
    return join(
        line_figures(line),
        champions,
        folded(f"All {len(line.versions)} versions", _versions(site, line)),
        folded(f"The whole history: {len(line.changes)} entries", _history(line)),
    )


def _reign(site: Site, line: Line, reign: Reign) -> list[str | Html]:
    version = line.version(reign.version)
    run = site.run_of(version) if version else None
    gains = run.gains if run and reign.change.action == "promote" else ()
    length = lasted((reign.until or site.made_at) - reign.since)
    until = f"to {when(reign.until)}, {length}" if reign.until else f"until now, {length}"
    return [
        _version_cell(reign.version, run),
        link(when(reign.since), "", until),
        *metric_cells(version.metrics if version else None),
        gain_cell(gains, "auc"),
        _why(reign.change),
    ]


def _version_cell(name: str, run: Run | None) -> Html:
    return link(name, address(PAGE, run.address) if run else "", run.model if run else "")


def _why(change: Change) -> Html:
    """Return who changed production and why; a gate's many rules in short."""
    done = mark(_WORDS.get(change.action, change.action), _TONES.get(change.action, "plain"))
    reasons = change.reason.split("; ")
    rest = f" And {len(reasons) - 1} more, in the history below." if len(reasons) > 1 else ""
    return join(done, Html(" "), link(f"by {change.who}", "", reasons[0] + rest))


def _versions(site: Site, line: Line) -> Html:
    rows = [
        [
            _version_cell(version.name, site.run_of(version)),
            mark(*stage(line, version.name)),
            when(version.at),
            *metric_cells(version.metrics),
            "approved" if version.approved else "not approved",
        ]
        for version in reversed(line.versions)
    ]
    return table(["Version", "Stage", "Registered", *metric_heads(), "Gate"], rows)


def _history(line: Line) -> Html:
    rows = [
        [
            when(change.at),
            mark(_WORDS.get(change.action, change.action), _TONES.get(change.action, "plain")),
            change.from_version or "–",
            change.to_version,
            change.who,
            words(change.reason or "–"),
        ]
        for change in reversed(line.changes)
    ]
    return table(["When", "What", "From", "To", "Who", "Why"], rows)
