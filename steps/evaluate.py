"""Step: the challenger's quality on the test split, beside the baseline's."""

from typing import Annotated

from zenml import step

from models.artifacts import ArtifactRef
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("evaluation_code"),
    output_materializers=ArtifactRefMaterializer,
)
def evaluate(
    model: ArtifactRef,
    baseline: ArtifactRef,
    examples: ArtifactRef,
    intents: ArtifactRef,
    tables: ArtifactRef,
    bootstrap: int,
    seed: int,
) -> Annotated[ArtifactRef, "evaluation"]:
    """Return metrics with intervals, group tables and the evaluation page."""
    from models.assessment.evaluate import evaluate_models

    parents = {
        "model": model,
        "baseline": baseline,
        "examples": examples,
        "intents": intents,
        "tables": tables,
    }
    folders = {role: local(ref) for role, ref in parents.items()}
    return produce(
        "evaluation",
        lambda into: evaluate_models(folders, into, bootstrap=bootstrap, seed=seed),
        config={"bootstrap": bootstrap, "seed": seed},
        parents=parents,
        library=caching.evaluation_code(),
    )
