"""Step: the newest window into the example store of an earlier one."""

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
def append_examples(
    previous: ArtifactRef,
    tables: ArtifactRef,
    validation: ArtifactRef,
    dataset: dict[str, Any],
    seed: int,
) -> Annotated[ArtifactRef, "examples"]:
    """Return the store grown by new and late rows: old codes stay, new items and users get some."""
    from models.data.append import append_examples as append

    config = parse_settings(DatasetConfig, dataset, "dataset").examples
    return produce(
        "examples",
        lambda into: append(local(previous), scan_tables(local(tables)), config, into, seed=seed),
        config={"examples": config.model_dump(mode="json"), "seed": seed},
        parents={"previous": previous, "tables": tables, "validation": validation},
        library=caching.data_code(),
    )
