"""Evidently's own part: its report as HTML, and its snapshot in a workspace."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from models.assessment.drift_rows import row_values
from models.assessment.drift_window import Window
from models.assessment.drift_words import Compared
from models.files import write_text
from models.reports.verdicts import DriftColumn
from steps.adapters.evidently_settings import DriftConfig

if TYPE_CHECKING:
    import pandas as pd

METHOD = "intentflow"


def make_report(
    compared: Sequence[Compared],
    windows: tuple[Window, Window],
    config: DriftConfig,
    page: Path,
    destination: tuple[Path, str],
) -> None:
    """Write Evidently's report and add its snapshot to the workspace.

    Evidently draws the rows it is given and takes over the distances and thresholds that were
    measured on all rows, so that report, workspace and verdict agree.

    Args:
        compared: What was compared, furthest moved first.
        windows: Rows of the reference and of the current window, to draw.
        config: The project's name, and how many columns are shown.
        page: Where the HTML report goes.
        destination: The workspace, and the name of the snapshot in it.
    """
    known = {one.column.name: one.column for one in compared if one.column.statistic is not None}
    drawn = [one for one in compared if one.column.name in known][: config.report_columns]
    sides = [[row_values(one, window) for one in drawn] for window in windows]
    drawable = [bool(a.count() and b.count()) for a, b in zip(*sides, strict=True)]
    with _quiet():
        from evidently import Report
        from evidently.presets import DataDriftPreset

        _register_distance(known)
        reference, current = (
            _dataset([s for s, there in zip(side, drawable, strict=True) if there])
            for side in sides
        )
        names = [one.column.name for one, there in zip(drawn, drawable, strict=True) if there]
        preset = DataDriftPreset(
            columns=names,
            drift_share=0.001,  # one column is enough: thresholds allow for their number
            per_column_method=dict.fromkeys(names, METHOD),
            per_column_threshold={name: known[name].threshold for name in names},
        )
        report = Report([preset], include_tests=True)
        snapshot = report.run(current, reference, name=destination[1])
        write_text(page, snapshot.get_html_str(as_iframe=False))
        _add_to_workspace(snapshot, destination[0], config.project)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Evidently from calling home, logging, and warning of its own libraries."""
    os.environ["DO_NOT_TRACK"] = "1"
    logging.getLogger("evidently").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _register_distance(known: Mapping[str, DriftColumn]) -> None:
    """Teach Evidently a test that answers with what was measured, by the column's name."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def measured(
        reference: "pd.Series", current: "pd.Series", feature_type: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        value = float(known[str(reference.name)].statistic or 0.0)
        return value, value > threshold

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(METHOD, "measured on all rows", kinds), measured)


def _dataset(columns: Sequence[pl.Series]) -> Any:
    """Return one window as Evidently's data set."""
    import pandas as pd
    from evidently import DataDefinition, Dataset

    numeric = [column.name for column in columns if column.dtype.is_numeric()]
    frame = {
        column.name: pd.Series(
            column.to_numpy() if column.name in numeric else np.asarray(column.to_list(), object)
        )
        for column in columns
    }
    definition = DataDefinition(
        numerical_columns=numeric,
        categorical_columns=[name for name in frame if name not in numeric],
    )
    return Dataset.from_pandas(pd.DataFrame(frame), data_definition=definition)


def _add_to_workspace(snapshot: Any, workspace: Path, project: str) -> None:
    from evidently.ui.workspace import Workspace

    workspace.mkdir(parents=True, exist_ok=True)
    store = Workspace.create(str(workspace))
    known = store.search_project(project)
    target = known[0] if known else store.create_project(project)
    store.add_run(target.id, snapshot, include_data=False)
