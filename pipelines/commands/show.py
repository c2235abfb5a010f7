"""``intentflow show [RUN]``: what a run found, where its reports are, and what to do next."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steps.adapters.runs import RunReport

METRICS = {"auc": "AUC", "gauc": "GAUC", "log_loss": "LogLoss", "ece": "ECE"}
ROLES = ("challenger", "champion", "baseline")
MISSING = "–"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run and the form."""
    parser.add_argument(
        "name", metavar="RUN", nargs="?", help="a run's name; the latest by default"
    )
    parser.add_argument("--json", action="store_true", help="print everything recorded, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the run."""
    from steps.adapters.runs import read_report

    report = read_report(arguments.name)
    print(report.model_dump_json(indent=2) if arguments.json else "\n".join(told(report)))
    return 0


def told(report: "RunReport") -> Iterator[str]:
    """Yield the lines for a person."""
    cached = "; nothing had changed: every step came from the cache" if report.cached else ""
    yield f"Run {report.run} of {report.line}, {report.finished_at:%Y-%m-%d %H:%M} UTC{cached}"
    yield ""
    yield from _table(_metric_rows(report))
    yield ""
    yield from _table([[f"{name}:", _verdict(name, v)] for name, v in report.verdicts.items()])
    yield ""
    yield "Reports"
    yield from _table([[title, _near(path)] for title, path in report.reports.items()])
    yield ""
    state = "in production" if report.production == report.version else "candidate"
    yield f"Bento {report.bento} ({state}; in production: {report.production or 'none'})"
    yield ""
    yield "Next"
    yield from _table(_next_commands(report))


def _metric_rows(report: "RunReport") -> Iterator[list[str]]:
    shown = [key for key in METRICS if key in report.metrics.get("challenger", {})]
    yield ["test", *(METRICS[key] for key in shown)]
    for role in ROLES:
        values = report.metrics.get(role)
        name = f"{report.model} (challenger)" if role == "challenger" else role
        if values is not None:
            yield [name, *(_number(values.get(key)) for key in shown)]
        elif role == "champion":
            yield [role, "none yet: this is the first release of the line"]


def _verdict(name: str, verdict: dict[str, Any]) -> str:
    if name == "validation":
        warnings = verdict["warnings"]
        listed = f", {len(warnings)} warnings: {'; '.join(warnings[:3])}" if warnings else ""
        return f"{'passed' if verdict['passed'] else 'failed'} {verdict['checks']} checks{listed}"
    if name == "drift":
        columns = verdict["columns"]
        return f"drifted: {', '.join(columns[:6])}" if verdict["drifted"] else "none"
    return f"{'promote' if verdict['promote'] else 'keep'}: {' '.join(verdict['reasons'])}"


def _next_commands(report: "RunReport") -> Iterator[list[str]]:
    yield ["intentflow dashboard", "every step, artifact and page of the run, in the browser"]
    yield ["intentflow serve", "the production model over HTTP on this machine"]
    override = "" if report.verdicts["gate"]["promote"] else " --override"
    done = " (done by the gate)" if report.production == report.version else ""
    yield [
        f'intentflow promote {report.version} --reason "…"{override}',
        f"this run's model into production{done}",
    ]


def _table(rows: Iterator[list[str]] | Sequence[list[str]]) -> Iterator[str]:
    """Yield the rows, columns aligned; a row's last cell may be of any length."""
    cells = list(rows)
    columns = max(map(len, cells), default=0)
    widths = [max((len(r[i]) for r in cells if i < len(r) - 1), default=0) for i in range(columns)]
    for row in cells:
        yield "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip()


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _near(path: str) -> str:
    """Return the path as one types it here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
