"""The machine verdict of a drift report: what gates of retraining and promotion read."""

from pathlib import Path

from pydantic import ValidationError

from models.errors import CorruptArtifactError
from models.reports.drift_results import DRIFT_GROUPS, DriftGroup, DriftVerdict, GroupVerdict

__all__ = [
    "DRIFT_GROUPS",
    "VERDICT_FILE",
    "DriftGroup",
    "DriftVerdict",
    "GroupVerdict",
    "read_drift_verdict",
]

VERDICT_FILE = "verdict.json"


def read_drift_verdict(folder: Path) -> DriftVerdict:
    """Return the verdict in the ``drift`` artifact at ``folder``.

    Keys it does not know are left out, so that older code reads newer verdicts; a verdict written
    before groups existed has none.

    Raises:
        CorruptArtifactError: there is no verdict, or it has another form.
    """
    path = folder / VERDICT_FILE
    try:
        return DriftVerdict.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CorruptArtifactError(
            f"The drift verdict cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            do="Run report_drift again.",
        ) from None
