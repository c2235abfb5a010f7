"""How ZenML keeps a reference: as JSON, with the artifact's static pages as visualisations."""

from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.metadata.metadata_types import MetadataType

from models.artifacts import ArtifactRef
from steps.adapters.workspace import local

# Written by us without scripts, so that the dashboard's sandboxed frame shows them.
STATIC_PAGES = (
    "evaluation.html",
    "validation.html",
    "summary.html",
    "tokenizer.html",
    "intents.html",
    "comparison.html",
    "benchmark.html",
)


class ArtifactRefMaterializer(BaseMaterializer):
    """Keeps an `ArtifactRef`; the files it points to stay in the state folder, versioned by DVC."""

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (ArtifactRef,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    @property
    def _file(self) -> str:
        return f"{self.uri}/reference.json"

    def load(self, data_type: type[Any]) -> ArtifactRef:
        """Return the reference."""
        with self.artifact_store.open(self._file, "r") as file:
            return ArtifactRef.model_validate_json(file.read())

    def save(self, data: ArtifactRef) -> None:
        """Write the reference."""
        with self.artifact_store.open(self._file, "w") as file:
            file.write(data.model_dump_json(indent=2))

    def save_visualizations(self, data: ArtifactRef) -> dict[str, VisualizationType]:
        """Copy the artifact's static pages beside the reference, for the dashboard."""
        shown: dict[str, VisualizationType] = {}
        for page in sorted(local(data).glob("*.html")):
            if page.name in STATIC_PAGES:
                uri = f"{self.uri}/{page.name}"
                with self.artifact_store.open(uri, "wb") as file:
                    file.write(page.read_bytes())
                shown[uri] = VisualizationType.HTML
        return shown

    def extract_metadata(self, data: ArtifactRef) -> dict[str, MetadataType]:
        """Return the summary figures, the content hash and the place of the files."""
        figures = {key: value for key, value in data.summary.items() if value is not None}
        return {**figures, "content_hash": data.content_hash, "folder": Path(data.path).as_posix()}

    def compute_content_hash(self, data: ArtifactRef) -> str:
        """Return the hash of the artifact's bytes: equal content, equal cache key downstream."""
        return data.content_hash
