"""Evidently's own part: its report as HTML, its snapshot in a workspace, its test results."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.files import write_text
from steps.adapters.evidently_columns import Comparison, bin_edges, to_bins
from steps.adapters.evidently_noise import js_distance
from steps.adapters.evidently_settings import DriftConfig

if TYPE_CHECKING:
    import pandas as pd

METHOD = "js_distance"


def make_report(
    comparisons: Sequence[Comparison],
    thresholds: Mapping[str, float],
    config: DriftConfig,
    page: Path,
    destination: tuple[Path, str],
) -> dict[str, tuple[float, bool]]:
    """Return the statistic of each column and whether Evidently's test of it failed.

    Args:
        comparisons: The columns.
        thresholds: Distance at which drift begins, by column.
        config: Bins of numeric columns, and the project's name.
        page: Where the HTML report goes.
        destination: The workspace, and the name of the snapshot in it.
    """
    names = [comparison.name for comparison in comparisons]
    numbers = [comparison.name for comparison in comparisons if comparison.numeric]
    with _quiet():
        from evidently import DataDefinition, Report
        from evidently.presets import DataDriftPreset

        _register_distance(config.quantile_bins)
        definition = DataDefinition(
            numerical_columns=numbers,
            categorical_columns=[name for name in names if name not in numbers],
        )
        preset = DataDriftPreset(
            columns=names,
            drift_share=0.001,  # one column is enough: thresholds allow for their number
            per_column_method=dict.fromkeys(names, METHOD),
            per_column_threshold=dict(thresholds),
        )
        current, reference = (
            _dataset(comparisons, side, definition) for side in ("current", "reference")
        )
        report = Report([preset], include_tests=True)
        snapshot = report.run(current, reference, name=destination[1])
        write_text(page, snapshot.get_html_str(as_iframe=False))
        _add_to_workspace(snapshot, destination[0], config.project)
        return _results(snapshot.dict())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Evidently from calling home, logging, and warning of its own libraries."""
    os.environ["DO_NOT_TRACK"] = "1"
    logging.getLogger("evidently").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _register_distance(quantile_bins: int) -> None:
    """Teach Evidently the distance that thresholds are learnt for.

    Its own one divides numbers into bins of equal width over both windows, where one far value
    moves every bin; ours have equal shares of the reference.
    """
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def distance(
        reference: "pd.Series", current: "pd.Series", feature_type: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        if feature_type == ColumnType.Numerical:
            edges = bin_edges(reference.to_numpy(), quantile_bins)
            bins = [to_bins(side.to_numpy(), edges) for side in (reference, current)]
            counts = [np.bincount(side, minlength=len(edges) + 1) for side in bins]
        else:
            values = sorted(set(reference) | set(current))
            counts = [
                side.value_counts().reindex(values, fill_value=0).to_numpy()
                for side in (reference, current)
            ]
        value = float(js_distance(counts[0].astype(float), counts[1].astype(float)))
        return value, value > threshold

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(METHOD, "Jensen-Shannon distance", kinds), distance)


def _dataset(comparisons: Sequence[Comparison], side: str, definition: Any) -> Any:
    """Return one window as Evidently's data set; columns without their nulls are padded."""
    import pandas as pd
    from evidently import Dataset

    columns = {c.name: getattr(c, side) for c in comparisons}
    series = {name: pd.Series(column.to_numpy()) for name, column in columns.items()}
    return Dataset.from_pandas(pd.DataFrame(series), data_definition=definition)


def _add_to_workspace(snapshot: Any, workspace: Path, project: str) -> None:
    from evidently.ui.workspace import Workspace

    workspace.mkdir(parents=True, exist_ok=True)
    store = Workspace.create(str(workspace))
    known = store.search_project(project)
    target = known[0] if known else store.create_project(project)
    store.add_run(target.id, snapshot, include_data=False)


def _results(content: Mapping[str, Any]) -> dict[str, tuple[float, bool]]:
    """Return statistic and failure by column, from the snapshot as JSON."""
    values = {
        metric["config"]["column"]: float(metric["value"])
        for metric in content["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    failed = {
        test["metric_config"]["params"]["column"]: test["status"] == "FAIL"
        for test in content["tests"]
        if "column" in test["metric_config"]["params"]
    }
    return {name: (value, failed[name]) for name, value in values.items()}
