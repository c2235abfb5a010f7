"""Settings of the drift report."""

from pydantic import Field

from models.assessment.drift_settings import DEFAULT_EFFECTS, DriftSettings
from steps.adapters.notify import NotifyConfig

__all__ = ["DEFAULT_EFFECTS", "DriftConfig"]


class DriftConfig(DriftSettings):
    """Settings of `report_drift`: those of the detection, and where it is told.

    Args:
        report_rows: Rows of each window that Evidently draws its figures from; what it says of
            drift was measured on all ``sample_rows``.
        report_columns: Columns that Evidently shows, furthest moved first; each adds about 50 kB to
            its page.
        project: Name of the project in the Evidently workspace.
        notify: The hooks that are told; an empty list tells nobody.
    """

    report_rows: int = Field(default=5000, ge=50)
    report_columns: int = Field(default=40, ge=1)
    project: str = "intentflow"
    notify: tuple[NotifyConfig, ...] = (NotifyConfig(on=("drifted",)),)
