"""Report the drift of a current window against a reference window with Evidently."""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from models.artifacts import Scalar
from models.settings import Settings

Group = Literal["features", "label", "intent", "semantic_ids", "scores"]


class DriftConfig(Settings):
    """Settings of `report_drift`.

    Args:
        minimum_effect: Smallest Jensen–Shannon distance worth an alarm, by group of columns.
        column_minimum_effect: The same for single columns.
        false_alarms: Share of runs without drift that may still report one.
        resamples: A/A pairs drawn from the reference to learn each column's noise.
        quantile_bins: Bins, of equal share in the reference, of a numeric column.
        top_categories: Categories kept of a high-cardinality column; the rest is hashed.
        hash_buckets: Buckets that the rest is hashed into.
        ignore: Columns left out.
        unit: Column whose equal values belong together (a user); widens the noise accordingly.
        sample_rows: Rows of each window looked at, drawn with ``seed``.
        min_rows: Fewer rows in a window give the verdict "not enough data".
        seed: Seed of sample and resamples.
        project: Name of the project in the Evidently workspace.
    """

    minimum_effect: dict[Group, float] = {
        "features": 0.05,
        "label": 0.02,
        "intent": 0.05,
        "semantic_ids": 0.05,
        "scores": 0.05,
    }
    column_minimum_effect: dict[str, float] = {}
    false_alarms: float = Field(default=0.02, gt=0, lt=1)
    resamples: int = Field(default=2000, ge=100)
    quantile_bins: int = Field(default=20, ge=2, le=200)
    top_categories: int = Field(default=30, ge=2)
    hash_buckets: int = Field(default=10, ge=1)
    ignore: tuple[str, ...] = ()
    unit: str | None = "user_id"
    sample_rows: int = Field(default=20_000, ge=100)
    min_rows: int = Field(default=50, ge=2)
    seed: int = 0
    project: str = "intentflow"


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
    """
    raise NotImplementedError


def drift_ui(workspace: Path, port: int = 8000) -> list[str]:
    """Return the command that shows the snapshots of ``workspace`` in a browser, on this machine.

    Args:
        workspace: The Evidently workspace.
        port: Port on 127.0.0.1.
    """
    raise NotImplementedError
