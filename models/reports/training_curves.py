"""Training curves from the rows of history.jsonl, a panel for each stage and metric."""

from collections.abc import Iterable, Mapping

from models.reports.blocks import figure, figures, heading, join, text
from models.reports.charts import legend, line_chart
from models.reports.page import Html, Number, Section
from models.reports.results import Curve

Points = list[tuple[Number, Number]]
_STAGES = {"uim": "Intent pre-training (UIM)", "die": "Extraction pre-training (DIE)"}
_METRICS = {
    "loss": ("Loss", "nats"),
    "auc": ("AUC", "share of pairs in the right order"),
    "gauc": ("GAUC", "within users"),
    "log_loss": ("Log loss", "nats"),
    "intent_kl": ("Intent divergence", "KL(true, predicted), nats"),
}
_HIGHER_IS_BETTER = {"auc", "gauc"}


def training_section(rows: Iterable[Mapping[str, object]]) -> Section | None:
    """Return the section of training curves; None without any point to draw.

    Args:
        rows: One mapping an epoch: ``stage``, ``epoch`` (from 0), and numbers named "train/…" or
            "valid/…"; other keys are left out.
    """
    stages = _collect(rows)
    parts: list[Html] = []
    for stage, metrics in stages.items():
        panels = [_panel(name, lines) for name, lines in _paired(metrics).items()]
        if len(stages) > 1 or stage:
            parts.append(heading(_STAGES.get(stage, stage.replace("_", " ").capitalize())))
        parts.append(figures(panels))
    if not parts:
        return None
    note = (
        "A labelled dot is the best validation value. The weights kept are those of the best "
        "validation AUC, in intent stages those of the least divergence."
    )
    parts.append(text(note, "note"))
    return Section(
        "Training",
        join(*parts),
        "Solid is validation, dashed is training. A validation line that turns while the training "
        "line goes on improving is overfitting.",
    )


def _collect(rows: Iterable[Mapping[str, object]]) -> dict[str, dict[str, dict[str, Points]]]:
    """Return stage → metric → split → points."""
    stages: dict[str, dict[str, dict[str, Points]]] = {}
    for position, row in enumerate(rows):
        stage, epoch = str(row.get("stage", "")), row.get("epoch", position)
        for key, value in row.items():
            split, _, metric = key.partition("/")
            if split not in {"train", "valid"} or not metric or not _is_number(value):
                continue
            lines = stages.setdefault(stage, {}).setdefault(metric, {})
            lines.setdefault(split, []).append((float(str(epoch)) + 1, float(str(value))))
    return stages


def _paired(metrics: dict[str, dict[str, Points]]) -> dict[str, dict[str, Points]]:
    """Return the metrics with the training loss beside the validation metric it is the mean of."""
    twin = next((name for name in ("intent_kl", "log_loss") if name in metrics), None)
    if twin is None or "loss" not in metrics:
        return metrics
    rest = {name: lines for name, lines in metrics.items() if name not in {"loss", twin}}
    return {twin: {**metrics["loss"], **metrics[twin]}, **rest}


def _panel(metric: str, lines: dict[str, Points]) -> Html:
    name, unit = _METRICS.get(metric, (metric.replace("_", " "), ""))
    curves = [
        Curve(
            name="validation" if split == "valid" else "training",
            role="model" if split == "valid" else "base",
            x=[x for x, _ in points],
            y=[y for _, y in points],
        )
        for split, points in sorted(lines.items())
    ]
    best = None
    if "valid" in lines:
        choose = max if metric in _HIGHER_IS_BETTER else min
        best = choose(lines["valid"], key=lambda point: point[1])
    svg = line_chart(curves, "epoch", f"{name} by epoch", best=best)
    keys = legend([(curve.name, curve.role) for curve in curves])
    return figure(name, unit, join(keys, svg))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")  # noqa: PLR0124 - nan
