"""Step: challenger and production model on the same newest examples, and who should serve."""

from pathlib import Path
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef, Scalar
from models.assessment.compare import compare_models, write_comparison
from models.assessment.evaluate import read_evaluation
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.release_gate import decide, keep_itself
from steps.adapters.releases import champion_folder
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("evaluation_code"),
    output_materializers=ArtifactRefMaterializer,
)
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
    gate = parse_settings(ReleaseConfig, settings, "release").gate
    parents = {
        "challenger": challenger,
        "evaluation": evaluation,
        "examples": examples,
        "intents": intents,
    }

    def write(into: Path) -> dict[str, Scalar]:
        folders = {role: local(ref) for role, ref in parents.items()}
        compared = compare_models(folders, champion_folder(line), bootstrap=bootstrap, seed=seed)
        if champion == challenger.content_hash:
            return write_comparison(keep_itself(compared), into)
        decided = decide(compared, read_evaluation(folders["evaluation"]), gate)
        return write_comparison(decided, into)

    config = {"release": settings, "champion": champion, "bootstrap": bootstrap, "seed": seed}
    library = caching.evaluation_code()
    return produce("comparison", write, config=config, parents=parents, library=library)
