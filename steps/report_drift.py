"""Step: the newest window against the reference, by Evidently."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.releases import champion_folder
from steps.adapters.settings import DriftConfig
from steps.adapters.workspace import local, produce, state_folder


@step(
    cache_policy=caching.on("drift_code"),
    output_materializers=ArtifactRefMaterializer,
)
def report_drift(
    model: ArtifactRef,
    examples: ArtifactRef,
    intents: ArtifactRef,
    semantic_ids: ArtifactRef,
    tables: ArtifactRef,
    dataset: dict[str, Any],
    settings: dict[str, Any],
    line: str,
) -> Annotated[ArtifactRef, "drift"]:
    """Return which features, labels, intents, codes, embeddings and scores moved, and how far."""
    from models.assessment.windows import drift_windows
    from steps.adapters.evidently import report_drift as report
    from steps.adapters.evidently_embeddings import embeddings_of_windows, hashes_of

    config = parse_settings(DriftConfig, settings, "drift")
    parents = {
        "model": model,
        "examples": examples,
        "intents": intents,
        "semantic_ids": semantic_ids,
        "tables": tables,
    }
    days = dataset["current_window_days"]
    folders = {role: local(ref) for role, ref in parents.items()}
    folders |= embeddings_of_windows(folders, champion_folder(line))

    def write(folder: Any) -> Any:
        reference, current = drift_windows(folders, current_days=days, max_rows=config.sample_rows)
        workspace = state_folder() / "evidently"
        return report(reference, current, config, folder, workspace, line)

    return produce(
        "drift",
        write,
        config={"drift": settings, "current_window_days": days, **hashes_of(folders)},
        parents=parents,
        library=caching.drift_code(),
    )
