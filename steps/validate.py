"""Step: Great Expectations suites over the canonical tables."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.datasets.registry import DatasetConfig
from models.data.tables import scan_tables
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.settings import ValidationConfig
from steps.adapters.workspace import images_folder, local, produce


@step(
    cache_policy=caching.on("validation_code"),
    output_materializers=ArtifactRefMaterializer,
)
def validate(
    tables: ArtifactRef, dataset: dict[str, Any], settings: dict[str, Any]
) -> Annotated[ArtifactRef, "validation"]:
    """Return the verdict on the tables; a failed critical expectation ends the run here."""
    from steps.adapters.great_expectations import require_valid, validate_tables

    config = parse_settings(ValidationConfig, settings, "validation")
    examples = parse_settings(DatasetConfig, dataset, "dataset").examples
    source = scan_tables(local(tables))
    verdict = produce(
        "validation",
        lambda folder: validate_tables(
            source, examples, config, folder, images_folder(source.spec)
        ),
        config={"validation": settings, "examples": examples.model_dump(mode="json")},
        parents={"tables": tables},
        library=caching.validation_code(),
    )
    require_valid(local(verdict))
    return verdict
