"""Report the drift of a current window against a reference window with Evidently."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.artifacts import Scalar
from models.errors import SchemaError
from models.files import write_text
from models.reports.drift_page import write_drift_page
from models.reports.verdicts import DriftColumn, DriftVerdict
from steps.adapters.evidently_columns import Comparison, compare_columns
from steps.adapters.evidently_noise import noise_threshold
from steps.adapters.evidently_report import make_report
from steps.adapters.evidently_settings import DriftConfig

__all__ = ["DriftConfig", "drift_ui", "report_drift"]

VERDICT, PAGE, REPORT = "verdict.json", "summary.html", "drift.html"
METHOD = "Jensen–Shannon distance"


def report_drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    config: DriftConfig,
    folder: Path,
    workspace: Path,
    run_name: str,
) -> dict[str, Scalar]:
    """Return the verdict in short; write drift.html, summary.html and verdict.json.

    Args:
        reference: The older window: features, ``label``, ``intent_level``, ``sid_0``…, ``score``.
        current: The newer window, same columns.
        config: Thresholds and sizes.
        folder: Where the files go.
        workspace: The Evidently workspace that receives a snapshot; made when absent.
        run_name: The snapshot's name.

    Raises:
        SchemaError: the windows have different columns.
    """
    _check_same_columns(reference, current)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"reference_rows": reference.height, "current_rows": current.height}
    if min(rows.values()) < config.min_rows:
        reason = f"Not enough rows to compare: {config.min_rows} are needed in each window."
        verdict = DriftVerdict.model_validate({"drifted": False, "reasons": (reason,), **rows})
        write_drift_page(folder, verdict, name=REPORT)
    else:
        found = _compare(reference, current, config, folder, (workspace, run_name))
        verdict = DriftVerdict.model_validate({**found, **rows})
    write_drift_page(folder, verdict, facts={"run": run_name, "seed": config.seed}, name=PAGE)
    write_text(folder / VERDICT, verdict.model_dump_json(indent=2) + "\n")
    drifted = [column.name for column in verdict.columns if column.drifted]
    return {
        "drifted": verdict.drifted,
        "columns": len(verdict.columns),
        "drifted_columns": len(drifted),
        "names": ", ".join(drifted),
        **rows,
    }


def drift_ui(workspace: Path, port: int = 8000) -> list[str]:
    """Return the command that shows the snapshots of ``workspace`` in a browser, on this machine.

    Run it with ``DO_NOT_TRACK=1`` in its environment: ``env`` sets that here.

    Args:
        workspace: The Evidently workspace.
        port: Port on 127.0.0.1.
    """
    evidently = str(Path(sys.executable).with_name("evidently"))
    options = ["--workspace", str(workspace), "--host", "127.0.0.1", "--port", str(port)]
    return ["env", "DO_NOT_TRACK=1", evidently, "ui", *options]


def _check_same_columns(reference: pl.DataFrame, current: pl.DataFrame) -> None:
    different = sorted(set(reference.columns) ^ set(current.columns))
    if different:
        raise SchemaError(
            f"The two windows differ in their columns: {', '.join(different)}.",
            where="the windows of the drift report",
            allowed="the same columns in both",
            do="Build both windows by the same code and from the same data set.",
        )


def _compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    config: DriftConfig,
    folder: Path,
    destination: tuple[Path, str],
) -> dict[str, Any]:
    """Return the columns and reasons of the verdict, after Evidently's report was written."""
    comparisons = compare_columns(
        _sample(reference, config),
        _sample(current, config),
        config,
    )
    thresholds = _thresholds(comparisons, config)
    found = make_report(comparisons, thresholds, config, folder / REPORT, destination)
    columns = [
        _column(comparison, thresholds[comparison.name], *found[comparison.name])
        for comparison in comparisons
    ]
    columns.sort(key=lambda column: -(column.statistic or 0.0) / max(column.threshold, 1e-9))
    reasons = [_reason(column) for column in columns if column.drifted]
    return {
        "drifted": bool(reasons),
        "columns": tuple(column.model_dump() for column in columns),
        "reasons": tuple(reasons),
    }


def _sample(frame: pl.DataFrame, config: DriftConfig) -> pl.DataFrame:
    if frame.height <= config.sample_rows:
        return frame
    return frame.sample(config.sample_rows, seed=config.seed)


def _thresholds(comparisons: Sequence[Comparison], config: DriftConfig) -> dict[str, float]:
    """Return each column's threshold: its noise, or the smallest effect worth an alarm if larger.

    The false alarms a run may give are divided among its columns (Bonferroni).
    """
    share = config.false_alarms / max(len(comparisons), 1)
    generator = np.random.default_rng(config.seed)
    thresholds = {}
    for comparison in comparisons:
        noise = noise_threshold(
            comparison, false_alarm=share, resamples=config.resamples, generator=generator
        )
        effect = config.effect(comparison.name, comparison.group)
        thresholds[comparison.name] = max(noise, effect)
    return thresholds


def _column(
    comparison: Comparison, threshold: float, statistic: float, drifted: bool
) -> DriftColumn:
    words = _numbers(comparison) if comparison.numeric else _categories(comparison)
    return DriftColumn(
        name=comparison.name,
        group=comparison.group,
        method=METHOD,
        statistic=statistic,
        threshold=threshold,
        drifted=drifted,
        reference=words[0],
        current=words[1],
    )


def _numbers(comparison: Comparison) -> tuple[str, str]:
    sides = (comparison.reference, comparison.current)
    reference, current = (
        f"mean {_mean(side):.4g}, median {float(np.median(side.to_numpy())):.4g}" for side in sides
    )
    return reference, current


def _mean(column: pl.Series) -> float:
    return float(np.nanmean(column.to_numpy()))


def _categories(comparison: Comparison) -> tuple[str, str]:
    """Return the share, in both windows, of the category whose share changed most."""
    if comparison.group == "label":
        rates = [
            _mean(side.cast(pl.Float64)) for side in (comparison.reference, comparison.current)
        ]
        return f"{100 * rates[0]:.2f} % clicked", f"{100 * rates[1]:.2f} % clicked"
    left, right = (
        np.bincount(bins, minlength=comparison.num_bins) / len(bins)
        for bins in (comparison.reference_bins, comparison.current_bins)
    )
    most = int(np.abs(left - right).argmax())
    values = pl.concat([comparison.reference, comparison.current]).unique().sort()
    reference, current = (
        f"{values[most]} in {100 * share:.1f} % of rows" for share in (left[most], right[most])
    )
    return reference, current


def _reason(column: DriftColumn) -> str:
    return (
        f"{column.name} went from {column.reference} to {column.current} "
        f"({METHOD} {column.statistic:.3f}, allowed {column.threshold:.3f})."
    )
