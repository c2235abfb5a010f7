"""The losses of a benchmark's main variant, stage by stage (DAIAN Eq. 19-21)."""

import math
from collections.abc import Sequence
from itertools import groupby

from models.reports.benchmark_figures import cells_of
from models.reports.benchmark_results import BenchmarkResult, Cell, Value
from models.reports.blocks import figure, figures, join
from models.reports.charts import legend
from models.reports.page import Html, Section
from models.reports.seed_charts import Stage, stage_chart

INTENT, LOG_LOSS = "valid/intent_kl", "valid/log_loss"
TITLES = {"uim": "intent", "die": "extraction", "joint": "joint"}
CLICKED_ALONE = (
    "The extraction stage reads the true intent and has requests with a click alone: its level "
    "says nothing beside that of the joint stage."
)
UNITS = {
    INTENT: ("Intent divergence", "KL of predicted from true intent, nats; lower is better"),
    LOG_LOSS: ("Log loss", "nats; lower is better"),
}


def stages_section(result: BenchmarkResult) -> Section | None:
    """Return the loss curves of the main variant; None where no epoch was recorded."""
    cells = [cell for cell in cells_of(result, result.main) if cell.history]
    named = dict.fromkeys(str(row.get("stage", "")) for c in cells for row in c.history)
    names = [name for name in named if _has_numbers(cells, name)]
    stages = [(_figure_of(cells, name), _stage(cells, i, names)) for i, name in enumerate(names)]
    charts = [
        _chart(result.main, metric, [stage for _, stage in group])
        for metric, group in groupby(stages, key=lambda pair: pair[0])
    ]
    if not charts:
        return None
    return Section(
        "How it learnt" if len(names) == 1 else "Loss by stage",
        figures(charts),
        f"{result.main}. Solid is validation, dashed is training; a thin line is one seed, a bold "
        "one their mean as far as most of the seeds go. A dot marks the epoch a seed kept: the "
        "best AUC on validation, or the least divergence in an intent stage.",
    )


def best_epoch(rows: Sequence[dict[str, Value]]) -> int | None:
    """Return the epoch of a stage, from 0, that is best on validation; None if none is known."""
    for metric, sign in ((INTENT, -1), ("valid/auc", 1), (LOG_LOSS, -1)):
        values = [_number(row.get(metric)) for row in rows]
        known = [(sign * value, -i) for i, value in enumerate(values) if value is not None]
        if known:
            return -max(known)[1]
    return None


def _figure_of(cells: Sequence[Cell], stage: str) -> str:
    """Return the validation figure that a stage is drawn by."""
    rows = [row for cell in cells for row in _rows(cell, stage)]
    return INTENT if any(row.get(INTENT) is not None for row in rows) else LOG_LOSS


def _has_numbers(cells: Sequence[Cell], stage: str) -> bool:
    drawn = ("train/loss", _figure_of(cells, stage))
    rows = [row for cell in cells for row in _rows(cell, stage)]
    return any(_number(row.get(name)) is not None for row in rows for name in drawn)


def _stage(cells: Sequence[Cell], place: int, names: Sequence[str]) -> Stage:
    name = names[place]
    metric = _figure_of(cells, name)
    runs = [_rows(cell, name) for cell in cells]
    words = TITLES.get(name, name.replace("_", " "))
    return Stage(
        title=f"{place + 1}: {words}" if len(names) > 1 else "",
        train=[[_number(row.get("train/loss")) for row in rows] for rows in runs],
        valid=[[_number(row.get(metric)) for row in rows] for rows in runs],
        best=[best_epoch(rows) for rows in runs],
        seeds=[cell.seed for cell in cells],
    )


def _chart(variant: str, metric: str, stages: Sequence[Stage]) -> Html:
    name, unit = UNITS[metric]
    parts = ", then ".join(f"stage {stage.title}" for stage in stages if stage.title)
    about = f"{name} of {variant} by epoch" + (f": {parts}" if parts else "")
    keys = legend([("validation", "model"), ("training", "base"), ("epoch kept", "dot-champion")])
    title = name if not parts else f"{name}, {parts}"
    caption = CLICKED_ALONE if len(stages) > 1 and TITLES["die"] in parts else ""
    return figure(title, unit, join(keys, stage_chart(stages, about)), caption)


def _rows(cell: Cell, stage: str) -> list[dict[str, Value]]:
    return [row for row in cell.history if str(row.get("stage", "")) == stage]


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
