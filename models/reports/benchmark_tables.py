"""The tables of a benchmark: Markdown to paste into a page, CSV for programs."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from models.files import write_text
from models.reports.benchmark_results import BenchmarkResult, Cell, Row

RESULT_FILE, MARKDOWN_FILE = "benchmark.json", "benchmark.md"
ROWS_FILE, CELLS_FILE = "benchmark.csv", "cells.csv"
MISSING = "–"
JS = "js/"
Column = tuple[str, Callable[[Row], str]]


def write_benchmark_tables(result: BenchmarkResult, folder: Path) -> None:
    """Write benchmark.json, benchmark.md, benchmark.csv and cells.csv into ``folder``."""
    write_text(folder / RESULT_FILE, result.model_dump_json(indent=1) + "\n")
    write_text(folder / MARKDOWN_FILE, markdown(result))
    write_text(folder / ROWS_FILE, _csv([_flat_row(row) for row in result.rows]))
    write_text(folder / CELLS_FILE, _csv([_flat_cell(cell) for cell in result.cells]))


def markdown(result: BenchmarkResult) -> str:
    """Return the table, what it leaves out, and the facts that reproduce it."""
    lines = list(table(result))
    if result.incomplete:
        lines += ["", "Missing:", "", *(f"- {one}" for one in result.incomplete)]
    words = [
        f"Mean ± standard deviation over seeds. RelaImpr against {result.base}; "
        f"p: one-sided rank-sum, {result.main} above the row's variant."
    ]
    facts = [f"{name}: {value}" for name, value in result.facts.items() if name != "Command"]
    lines += ["", *words, "", "; ".join(facts) + "."]
    if "Command" in result.facts:
        lines += ["", "```bash", result.facts["Command"], "```"]
    return "\n".join(lines) + "\n"


def table(result: BenchmarkResult) -> Iterator[str]:
    """Yield the lines of the table alone."""
    columns = _columns(result)
    cells = [[show(row) for _, show in columns] for row in result.rows]
    head = [name for name, _ in columns]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (head, rule, *cells):
        words = [
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield f"| {' | '.join(words)} |"


def _columns(result: BenchmarkResult) -> list[Column]:
    """Return the columns; divergences of intents only where a model predicts any."""
    populations = dict.fromkeys(
        name for row in result.rows for name in row.mean if name.startswith(JS)
    )
    return [
        ("variant", lambda row: row.variant),
        ("seeds", lambda row: str(row.seeds)),
        ("AUC", _both("auc")),
        ("RelaImpr", _of(lambda row: row.rela_impr, "auc", "{:+.2f} %")),
        ("p", _of(lambda row: row.p, "auc", "{:.4f}")),
        ("GAUC", _both("gauc")),
        ("RelaImpr", _of(lambda row: row.rela_impr, "gauc", "{:+.2f} %")),
        ("p", _of(lambda row: row.p, "gauc", "{:.4f}")),
        ("log loss", _both("log_loss")),
        *((f"JS {name.removeprefix(JS)}", _both(name)) for name in populations),
        ("training s", _both("seconds", 1)),
        ("CPU s", _both("cpu_seconds", 1)),
        ("parameters", lambda row: f"{row.mean['parameters']:,.0f}"),
        ("peak MB", lambda row: f"{row.mean['peak_bytes'] / 1e6:,.0f}"),
    ]


def _both(name: str, digits: int = 4) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        mean, spread = row.mean.get(name), row.sd.get(name)
        if mean is None:
            return MISSING
        return f"{mean:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")

    return show


def _of(
    values: Callable[[Row], Mapping[str, float | None]], name: str, form: str
) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        value = values(row).get(name)
        return MISSING if value is None else form.format(value)

    return show


def _flat_row(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {"variant": row.variant, "model": row.model, "seeds": row.seeds}
    for name, value in row.mean.items():
        flat |= {name: value, f"{name}_sd": row.sd.get(name)}
    flat |= {f"rela_impr_{name}": value for name, value in row.rela_impr.items()}
    return flat | {f"p_{name}": value for name, value in row.p.items()}


def _flat_cell(cell: Cell) -> dict[str, object]:
    flat = cell.model_dump(exclude={"metrics", "intent", "groups", "history"})
    flat |= cell.metrics
    if cell.intent is not None:
        flat["js"] = cell.intent.js
        flat |= {f"{JS}{one.name}": one.js for one in cell.intent.populations}
    return flat


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows of unlike keys as CSV; an empty field is a number that does not exist."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
