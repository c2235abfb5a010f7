"""Report the drift of a current window against a reference window: a page, Evidently, a verdict."""

import sys
from pathlib import Path

from models.artifacts import Scalar
from models.assessment.drift_detection import Detection, detect
from models.assessment.drift_verdict import VERDICT_FILE
from models.assessment.drift_window import Window
from models.files import write_text
from models.reports.drift_page import write_drift_page
from models.reports.drift_results import DriftVerdict
from steps.adapters.evidently_report import make_report
from steps.adapters.evidently_settings import DriftConfig
from steps.adapters.notify import Notification, notify_all

__all__ = ["DriftConfig", "drift_ui", "report_drift"]

PAGE, REPORT, THRESHOLDS = "summary.html", "drift.html", "thresholds.json"


def report_drift(
    reference: Window,
    current: Window,
    config: DriftConfig,
    folder: Path,
    workspace: Path,
    run_name: str,
) -> dict[str, Scalar]:
    """Return the verdict in short; write summary.html, drift.html, verdict.json, thresholds.json.

    Args:
        reference: The older window.
        current: The newer window, same columns.
        config: Thresholds, sizes, and who is told.
        folder: Where the files go.
        workspace: The Evidently workspace that receives a snapshot; made when absent. Thresholds
            are kept beside it, for the next run with the same reference.
        run_name: The snapshot's name.

    Raises:
        SchemaError: the windows have different columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = detect(reference, current, config, workspace.parent / "drift_thresholds")
    verdict = found.verdict
    facts = _facts(found, config, run_name)
    write_drift_page(folder, verdict, found.changes, facts=facts, name=PAGE)
    if found.thresholds is None:
        write_drift_page(folder, verdict, name=REPORT)
    else:
        windows = (
            reference.sample(config.report_rows, config.seed),
            current.sample(config.report_rows, config.seed),
        )
        make_report(found.compared, windows, config, folder / REPORT, (workspace, run_name))
        write_text(folder / THRESHOLDS, found.thresholds.model_dump_json(indent=2) + "\n")
    write_text(folder / VERDICT_FILE, verdict.model_dump_json(indent=2) + "\n")
    _tell(verdict, config, run_name)
    return _short(verdict)


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


def _short(verdict: DriftVerdict) -> dict[str, Scalar]:
    drifted = [column.name for column in verdict.columns if column.drifted]
    return {
        "drifted": verdict.drifted,
        "columns": len(verdict.columns),
        "drifted_columns": len(drifted),
        "names": ", ".join(drifted),
        "reference_rows": verdict.reference_rows,
        "current_rows": verdict.current_rows,
    }


def _facts(found: Detection, config: DriftConfig, run_name: str) -> dict[str, object]:
    facts: dict[str, object] = {"Run": run_name, "Seed": config.seed}
    if found.thresholds is not None:
        kept = (
            "those of an earlier run" if found.verdict.thresholds_reused else "learnt in this run"
        )
        facts |= {
            "Thresholds": f"{kept}, {found.thresholds.resamples} A/A pairs",
            "False alarms allowed": f"{100 * config.false_alarms:g} % of runs, over all columns",
            "Reference": found.thresholds.reference_hash[:12],
        }
    return facts


def _tell(verdict: DriftVerdict, config: DriftConfig, run_name: str) -> None:
    notify_all(
        Notification(
            event="drifted" if verdict.drifted else "not_drifted",
            source=f"drift {run_name}",
            text=verdict.summary,
            details={**_short(verdict), "groups": ", ".join(_drifted_groups(verdict))},
        ),
        config.notify,
    )


def _drifted_groups(verdict: DriftVerdict) -> list[str]:
    return [group for group, found in verdict.groups.items() if found.drifted]
