"""The page of a benchmark: models over seeds, beside each other, with the figures of the paper."""

from collections.abc import Sequence
from pathlib import Path

from models.reports.benchmark_figures import row_of, seeds_section, spread_words, sweep_section
from models.reports.benchmark_figures_intent import diversity_section, intent_section
from models.reports.benchmark_figures_training import stages_section
from models.reports.benchmark_results import BenchmarkResult, Row
from models.reports.benchmark_wording import (
    LEVEL,
    benchmark_headline,
    least_p,
    p_words,
)
from models.reports.blocks import Cell as Shown
from models.reports.blocks import (
    Strong,
    bullets,
    count,
    folded,
    join,
    link,
    links,
    number,
    signed,
    table,
    text,
    write_page,
)
from models.reports.page import Html, Section, render_page
from models.reports.wording import METRIC_NAMES

PAGE = "benchmark.html"
FILES = {
    "benchmark.csv": "a row a variant",
    "cells.csv": "a row a training",
    "benchmark.md": "the table, for a document",
    "benchmark.json": "everything on this page",
}
LOWER_IS_BETTER = {"log_loss", "ece", "normalised_entropy"}
MINUTES_FROM_S, MIB = 600.0, 2**20


def write_benchmark_page(result: BenchmarkResult, folder: Path) -> Path:
    """Write benchmark.html into ``folder`` and return its path.

    Args:
        result: What was measured; a part it does not have is a section the page does not have.
        folder: Receives the page; the files of `FILES`, which the page links, stand beside it.
    """
    found = [row for row in result.rows if row.seeds]
    sections = [
        Section("Quality", _quality(result, found), _quality_lead(result)) if found else None,
        _missing(result),
        seeds_section(result),
        sweep_section(result),
        intent_section(result),
        diversity_section(result),
        stages_section(result),
        Section("What it costs", _costs(result, found), _cost_lead(result)) if found else None,
        Section("The numbers", _numbers(result)) if result.cells else None,
    ]
    html = render_page(
        result.title,
        [section for section in sections if section is not None],
        verdict=benchmark_headline(result),
        facts=result.facts,
        kicker="intentflow · benchmark",
    )
    return write_page(folder, PAGE, html)


def _quality_lead(result: BenchmarkResult) -> str:
    lead = (
        "Mean ± standard deviation over seeds on the test split; the best mean is bold. RelaImpr "
        f"is relative to {result.base}'s lead over a coin."
    )
    if row_of(result, result.main) is None:
        return lead
    return f"{lead} p: that {result.main}'s values are above the row's (one-sided rank-sum test)."


def _quality(result: BenchmarkResult, rows: Sequence[Row]) -> Html:
    heads = ["Variant", "Seeds", "AUC", "RelaImpr", "p", "GAUC", "RelaImpr", "p", "Log loss"]
    lines = []
    for row in rows:
        cells: list[Shown | Html] = [_name(result, row), row.seeds]
        for metric in ("auc", "gauc"):
            gain = None if row.variant == result.base else row.rela_impr.get(metric)
            shown = "–" if gain is None else f"{signed(gain, 1)}\u202f%"
            cells += [_spread(row, metric, rows), shown, p_words(row.p.get(metric))]
        lines.append([*cells, _spread(row, "log_loss", rows)])
    least = least_p(result)
    note = (
        "With fewer than two seeds there is neither a deviation nor a p-value."
        if least is None
        else f"With this many seeds p cannot be below {p_words(least).replace('<', '')}"
        + ("." if least < LEVEL else "; with five of each it can be 0.004.")
    )
    return join(table(heads, lines), text(note, "note"))


def _missing(result: BenchmarkResult) -> Section | None:
    if not result.incomplete:
        return None
    lead = "The tables and figures are made of what has finished. Run the benchmark again: only "
    return Section("Missing", bullets(result.incomplete), lead + "these cells are run.")


def _cost_lead(result: BenchmarkResult) -> str:
    threads = sorted({cell.threads for cell in result.cells})
    words = " or ".join(map(str, threads))
    on = f", on {words} thread{'s' * (threads != [1])} each" if threads else ""
    return f"Mean ± standard deviation over seeds{on}. Times compare only within one machine."


def _costs(result: BenchmarkResult, rows: Sequence[Row]) -> Html:
    seconds = [row.mean.get("seconds", 0.0) for row in rows]
    scale, unit = (60.0, "min") if max(seconds) > MINUTES_FROM_S else (1.0, "s")
    base = row_of(result, result.base)
    lines = [
        [
            _name(result, row),
            _scaled(row, "seconds", scale, 1),
            _times(row, base),
            _scaled(row, "cpu_seconds", scale, 1),
            _scaled(row, "score_seconds", 1.0, 2),
            count(row.mean["parameters"]) if "parameters" in row.mean else "–",
            count(row.mean["peak_bytes"] / MIB) if "peak_bytes" in row.mean else "–",
        ]
        for row in rows
    ]
    heads = ["Variant", f"Training, {unit}", f"× {result.base}", f"Processor, {unit}"]
    return table([*heads, "Scoring, s", "Parameters", "Peak memory, MiB"], lines)


def _numbers(result: BenchmarkResult) -> Html:
    known = [m for m in METRIC_NAMES if any(m in cell.metrics for cell in result.cells)]
    rows = [
        [c.variant, c.seed, *(number(c.metrics.get(m)) for m in known), number(c.seconds, 1),
         number(c.score_seconds, 2), number(c.peak_bytes / MIB, 0)]
        for c in result.cells
    ]  # fmt: skip
    heads = ["Variant", "Seed", *(METRIC_NAMES[m] for m in known)]
    every = table([*heads, "Training, s", "Scoring, s", "Peak memory, MiB"], rows)
    addresses = {name: (name, about) for name, about in FILES.items()}
    return join(links(addresses), folded("Every training", every))


def _name(result: BenchmarkResult, row: Row) -> Html:
    roles = [words for name, words in ((result.main, "tested"), (result.base, "base"))
             if name == row.variant]  # fmt: skip
    model = [] if row.model.lower() in row.variant.lower() else [row.model]
    return link(row.variant, "", " · ".join([*model, *roles]))


def _spread(row: Row, metric: str, rows: Sequence[Row]) -> str:
    """Return mean ± sd, bold where no other row's mean is better."""
    value = row.mean.get(metric)
    if value is None:
        return "–"
    means = [r.mean[metric] for r in rows if metric in r.mean]
    best = min(means) if metric in LOWER_IS_BETTER else max(means)
    words = spread_words(value, row.sd.get(metric))
    return Strong(words) if value == best and len(means) > 1 else words


def _scaled(row: Row, name: str, scale: float, digits: int) -> str:
    if name not in row.mean:
        return "–"
    sd = row.sd.get(name)
    return spread_words(row.mean[name] / scale, None if sd is None else sd / scale, digits)


def _times(row: Row, base: Row | None) -> str:
    """Return how many times the base's training time the row's is."""
    own, theirs = row.mean.get("seconds"), base.mean.get("seconds") if base else None
    return number(own / theirs, 2) if own is not None and theirs else "–"
