"""Step: canonical tables to the example store."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.datasets.registry import DatasetConfig
from models.data.tables import scan_tables
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("data_code"),
    output_materializers=ArtifactRefMaterializer,
)
def build_examples(
    tables: ArtifactRef, validation: ArtifactRef, dataset: dict[str, Any], seed: int
) -> Annotated[ArtifactRef, "examples"]:
    """Return the example store of valid tables: user timelines and a pointer per impression."""
    from models.data.examples import build_example_store

    config = parse_settings(DatasetConfig, dataset, "dataset").examples
    return produce(
        "examples",
        lambda folder: build_example_store(scan_tables(local(tables)), config, folder, seed=seed),
        config={"examples": config.model_dump(mode="json"), "seed": seed},
        parents={"tables": tables, "validation": validation},
        library=caching.data_code(),
    )
