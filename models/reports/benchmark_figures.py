"""The figures of a benchmark that compare its variants: every seed, and a setting's values."""

import statistics
from collections.abc import Sequence

from models.reports.benchmark_results import BenchmarkResult, Cell, Row
from models.reports.blocks import figure, figures, number
from models.reports.page import Html, Section
from models.reports.seed_charts import Measured, seed_chart, sweep_chart
from models.reports.wording import METRIC_NAMES

COMPARED = ("auc", "gauc")


def seeds_section(result: BenchmarkResult) -> Section | None:
    """Return AUC and GAUC of every variant, each seed a dot.

    None without a finished cell, and where `sweep_section` shows the same.
    """
    swept = [] if result.sweep is None else [*result.sweep.variants, result.base]
    if all(row.variant in swept for row in result.rows):
        return None
    charts = [chart for metric in COMPARED if (chart := _seeds(result, metric)) is not None]
    if not charts:
        return None
    base = "" if row_of(result, result.base) is None else f" The dashed line is {result.base}."
    return Section(
        "Every seed",
        figures(charts),
        "Each dot is one training. The stroke is the mean over seeds, the bar one standard "
        "deviation to either side. Variants whose dots lie among each other cannot be told "
        f"apart.{base}",
    )


def sweep_section(result: BenchmarkResult) -> Section | None:
    """Return AUC and GAUC against the setting that varies (DAIAN Figure 7); None without one."""
    sweep = result.sweep
    if sweep is None:
        return None
    charts = [chart for metric in COMPARED if (chart := _sweep(result, metric)) is not None]
    if not charts:
        return None
    return Section(
        f"AUC and GAUC against {sweep.label}",
        figures(charts),
        "The line is the mean over seeds, the shade one standard deviation to either side, each "
        "dot one training; the largest mean has its number.",
    )


def row_of(result: BenchmarkResult, variant: str) -> Row | None:
    """Return a variant's row; None where it has no finished cell."""
    return next((row for row in result.rows if row.variant == variant and row.seeds), None)


def cells_of(result: BenchmarkResult, variant: str) -> list[Cell]:
    """Return a variant's finished cells, by seed."""
    return sorted((c for c in result.cells if c.variant == variant), key=lambda cell: cell.seed)


def over_seeds(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and sample standard deviation; the latter is None for fewer than two values."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def spread_words(mean: float | None, sd: float | None, digits: int = 4) -> str:
    """Return "mean ± sd", or the mean alone where there is no sd."""
    return number(mean, digits) + ("" if sd is None else f" ± {number(sd, digits)}")


def measured(result: BenchmarkResult, variant: str, metric: str) -> Measured | None:
    """Return a variant's metric over its seeds; None where it has none."""
    row = row_of(result, variant)
    if row is None or metric not in row.mean:
        return None
    cells = [c for c in cells_of(result, variant) if c.metrics.get(metric) is not None]
    return Measured(
        name=variant,
        values=[value for c in cells if (value := c.metrics[metric]) is not None],
        mean=row.mean[metric],
        sd=row.sd.get(metric),
        seeds=[cell.seed for cell in cells],
        style="model" if variant == result.main else "base",
    )


def _seeds(result: BenchmarkResult, metric: str) -> Html | None:
    rows = [r for row in result.rows if (r := measured(result, row.variant, metric)) is not None]
    if not rows:
        return None
    name = METRIC_NAMES[metric]
    base = measured(result, result.base, metric)
    chart = seed_chart(
        rows,
        f"{name} on the test split",
        _about(f"{name} by variant", rows),
        reference=None if base is None else base.mean,
    )
    return figure(name, "mean at the right; higher is better", chart)


def _sweep(result: BenchmarkResult, metric: str) -> Html | None:
    sweep = result.sweep
    if sweep is None:
        return None
    pairs = sorted(zip(sweep.values, sweep.variants, strict=True))
    found = [(v, m) for v, name in pairs if (m := measured(result, name, metric)) is not None]
    if not found:
        return None
    name = METRIC_NAMES[metric]
    base = None if result.base in sweep.variants else measured(result, result.base, metric)
    near = base is not None and _is_near(base.mean, [values for _, values in found])
    chart = sweep_chart(
        [value for value, _ in found],
        [values for _, values in found],
        sweep.label,
        _about(f"{name} against {sweep.label}", [values for _, values in found]),
        reference=base.mean if base is not None and near else None,
    )
    caption = (
        ""
        if base is None
        else f"{base.name} has {number(base.mean)}, "
        + ("the dashed line." if near else "too far away to be drawn.")
    )
    return figure(name, "higher is better", chart, caption)


def _is_near(value: float, drawn: Sequence[Measured]) -> bool:
    """Return whether a figure can show ``value`` too and leave what it is about half its height."""
    reach = [v for one in drawn for v in one.reach]
    span = max(reach) - min(reach)
    return min(reach) - span <= value <= max(reach) + span


def _about(what: str, rows: Sequence[Measured]) -> str:
    """Return a figure's numbers for a reader who cannot see it."""
    return what + ": " + ", ".join(f"{r.name} {spread_words(r.mean, r.sd)}" for r in rows) + "."
