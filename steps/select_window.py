"""Step: the newest complete window of the log, and whether it was looked at before."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.retraining import RetrainingConfig
from models.data.tables import scan_tables
from models.data.watermark import after, newest_window
from models.settings import parse_settings
from steps.adapters.retraining_windows import (
    Outlook,
    champion,
    closed_windows,
    growable,
    instant,
    over_already,
)
from steps.adapters.tracking import record
from steps.adapters.workspace import local


@step(enable_cache=False)
def select_window(
    log: ArtifactRef,
    settings: dict[str, Any],
    line: str,
    until: str | None,
    recipe: str,
    run_settings: str,
) -> Annotated[Outlook, "outlook"]:
    """Return the window that ends before ``until``, with what earlier runs left to go on from."""
    rules = parse_settings(RetrainingConfig, settings, "retraining").window
    scan = scan_tables(local(log))
    window = newest_window(scan, rules, instant(until))
    if window is None:
        over = "There is no complete window: no impressions lie in the days before the watermark."
        return Outlook(window=None, over=over)
    closed = closed_windows(line)
    before = [one.window for one in closed if one.version and one.window.end_s < window.end_s]
    if before:
        window = after(window, scan, before[-1])
    record({"window_end": window.ends_at, **window.model_dump()})
    return Outlook(
        window=window,
        over=over_already(window, closed, run_settings),
        champion=champion(line),
        examples=growable(closed, recipe, window),
    )
