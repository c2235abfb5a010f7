"""Step: the tables as they stood at a window's end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef, Scalar
from models.data.datasets.registry import DatasetConfig
from models.data.schema import TABLES
from models.data.tables import scan_tables, write_tables
from models.data.watermark import cut_tables
from models.errors import MissingDataError
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.retraining_windows import Outlook
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("data_code"),
    output_materializers=ArtifactRefMaterializer,
)
def cut_window(
    log: ArtifactRef, outlook: Outlook, dataset: dict[str, Any]
) -> Annotated[ArtifactRef, "tables"]:
    """Return the window's impressions, each once, and the events before its end."""
    window = outlook.window
    if window is None:
        raise MissingDataError("There is no window to cut.", do="Look at the outlook's reason.")
    examples = parse_settings(DatasetConfig, dataset, "dataset").examples

    def write(folder: Path) -> Mapping[str, Scalar]:
        write_tables(cut_tables(scan_tables(local(log)), window, examples), folder)
        written = scan_tables(folder)
        return {f"{name}_rows": written.height(name) for name in TABLES} | window.model_dump()

    config = {"start": window.start_s, "end": window.end_s, "reach": examples.history_days}
    return produce(
        "tables", write, config=config, parents={"log": log}, library=caching.data_code()
    )
