"""Rows of a benchmark from its cells: mean and deviation over seeds, RelaImpr, rank-sum p."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from models.assessment.benchmark_jobs import StoredCell
from models.assessment.benchmark_settings import BenchmarkPlan
from models.metrics.intervals import rank_sum_test
from models.metrics.ranking import rela_impr
from models.reports.benchmark_results import BenchmarkResult, Cell, Row, Sweep
from models.reports.results import known

RANKED = ("auc", "gauc")
COSTS = ("parameters", "seconds", "cpu_seconds", "peak_bytes", "score_seconds")


def benchmark_result(
    plan: BenchmarkPlan,
    stored: Sequence[StoredCell],
    incomplete: Sequence[str],
    facts: dict[str, str],
) -> BenchmarkResult:
    """Return what the cells say, beside what reproduces it.

    Args:
        plan: The benchmark.
        stored: Its finished cells, each under the name of its variant in ``plan``.
        incomplete: The others, each with the reason.
        facts: What is known of the data.
    """
    names = [variant.name for variant in plan.variants]
    order = {name: place for place, name in enumerate(names)}
    seeds = {seed: place for place, seed in enumerate(plan.seeds)}
    found = sorted(stored, key=lambda one: (order[one.cell.variant], seeds[one.cell.seed]))
    cells = [one.cell for one in found]
    sweep = plan.sweep
    return BenchmarkResult(
        name=plan.name,
        title=plan.title,
        facts=facts | _provenance(plan, found),
        base=plan.base,
        main=plan.main,
        sweep=sweep
        and Sweep(
            key=sweep.setting,
            label=sweep.label or sweep.setting,
            values=[float(value) for value in sweep.values],
            variants=[sweep.name_of(value) for value in sweep.values],
        ),
        rows=summarise(cells, plan.base, plan.main),
        cells=cells,
        incomplete=list(incomplete),
    )


def summarise(cells: Sequence[Cell], base: str, main: str) -> list[Row]:
    """Return a row a variant, in the order in which the variants come.

    Args:
        cells: Finished cells.
        base: The variant that RelaImpr is relative to.
        main: The variant whose superiority the p-values test.
    """
    by_variant: dict[str, list[Cell]] = {}
    for cell in cells:
        by_variant.setdefault(cell.variant, []).append(cell)
    return [
        _row(own, by_variant.get(base, []), None if name == main else by_variant.get(main))
        for name, own in by_variant.items()
    ]


def figures(cell: Cell) -> dict[str, float]:
    """Return a cell's numbers that exist: metrics, costs, divergences of its intents."""
    found: dict[str, float | None] = {**cell.metrics}
    found |= {name: getattr(cell, name) for name in COSTS}
    if cell.intent is not None:
        found["js"] = cell.intent.js
        found |= {f"js/{one.name}": one.js for one in cell.intent.populations}
    return {name: float(value) for name, value in found.items() if value is not None}


def _row(own: Sequence[Cell], base: Sequence[Cell], main: Sequence[Cell] | None) -> Row:
    each = [figures(cell) for cell in own]
    names = list(dict.fromkeys(name for one in each for name in one))
    values = {name: [one[name] for one in each if name in one] for name in names}
    return Row(
        variant=own[0].variant,
        model=own[0].model,
        seeds=len(own),
        mean={name: float(np.mean(many)) for name, many in values.items()},
        sd={
            name: float(np.std(many, ddof=1)) if len(many) > 1 else None
            for name, many in values.items()
        },
        rela_impr={name: _improvement(name, own, base) for name in RANKED},
        p={name: _p(name, own, main) for name in RANKED},
    )


def _improvement(name: str, own: Sequence[Cell], base: Sequence[Cell]) -> float | None:
    ours, theirs = _metric(name, own), _metric(name, base)
    if not len(ours) or not len(theirs):
        return None
    return known(rela_impr(float(ours.mean()), float(theirs.mean())))


def _p(name: str, own: Sequence[Cell], main: Sequence[Cell] | None) -> float | None:
    ours, theirs = _metric(name, main or []), _metric(name, own)
    return known(rank_sum_test(ours, theirs)) if min(len(ours), len(theirs)) > 1 else None


def _metric(name: str, cells: Iterable[Cell]) -> np.ndarray:
    values = [cell.metrics.get(name) for cell in cells]
    return np.array([value for value in values if value is not None])


def _provenance(plan: BenchmarkPlan, stored: Sequence[StoredCell]) -> dict[str, str]:
    """Return by what, where and when the cells were measured."""
    days = sorted(one.finished_at.strftime("%Y-%m-%d") for one in stored)
    return {
        "Encoder": plan.names["encoder"],
        "Intents": _told(plan.intents),
        "Seeds": ", ".join(map(str, plan.seeds)),
        "Threads": _distinct(str(one.cell.threads) for one in stored),
        "Machine": _distinct(one.machine for one in stored),
        "Commit": _distinct(one.commit[:12] + one.commit[40:] for one in stored),
        "Measured": " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "–",
        "Settings": plan.digest,
        "Command": plan.command,
    }


def _told(levels: Sequence[Mapping[str, object]]) -> str:
    """Return the intent levels; a setting that variants differ in with all its values."""
    each = {key: dict.fromkeys(str(one[key]) for one in levels) for key in levels[0]}
    return ", ".join(f"{key} {'/'.join(values)}" for key, values in each.items())


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values)) or "–"
