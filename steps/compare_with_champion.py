"""Step: challenger and production model on the same newest examples, and who should serve."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.compare import compare_models
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.releases import champion_folder
from steps.adapters.workspace import local, produce


@step(cache_policy=caching.on("evaluation_code"))
def compare_with_champion(
    challenger: ArtifactRef,
    evaluation: ArtifactRef,
    examples: ArtifactRef,
    intents: ArtifactRef,
    settings: dict[str, Any],
    line: str,
    champion: str,
    bootstrap: int,
    seed: int,
) -> Annotated[ArtifactRef, "comparison"]:
    """Return the gate's verdict with its reasons; ``champion`` is the production model's hash."""
    config = parse_settings(ReleaseConfig, settings, "release")
    parents = {
        "challenger": challenger,
        "evaluation": evaluation,
        "examples": examples,
        "intents": intents,
    }
    folders = {role: local(ref) for role, ref in parents.items()}
    return produce(
        "comparison",
        lambda into: compare_models(
            folders, champion_folder(line), config.gate, into, bootstrap=bootstrap, seed=seed
        ),
        config={
            "release": settings,
            "champion": champion,
            "bootstrap": bootstrap,
            "seed": seed,
        },
        parents=parents,
        library=caching.evaluation_code(),
    )
