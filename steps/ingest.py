"""Step: raw files, pinned by DVC, to canonical tables."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.schema import TABLES
from models.data.tables import scan_tables, write_tables
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import produce, project_root


@step(
    cache_policy=caching.on("data_code"),
    output_materializers=ArtifactRefMaterializer,
)
def ingest(dataset: dict[str, Any], raw: str) -> Annotated[ArtifactRef, "tables"]:
    """Return the canonical tables of a data set; ``raw`` is the fingerprint of its raw files."""
    config = parse_settings(DatasetConfig, dataset, "dataset")

    def write(folder: Any) -> Any:
        tables = load_dataset(config, project_root())
        write_tables(tables, folder)
        written = scan_tables(folder)
        return {f"{name}_rows": written.height(name) for name in TABLES} | tables.spec.facts

    return produce(
        "tables",
        write,
        config={"dataset": dataset, "raw": raw},
        parents={},
        library=caching.data_code(),
    )
