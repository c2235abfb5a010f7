"""Step: challenger and production model on the same newest examples, and who should serve."""

from pathlib import Path
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef, Scalar
from steps.adapters import caching
from steps.adapters.bento import BentoRef
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import produce


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
    bento: BentoRef | None = None,
    drift: ArtifactRef | None = None,
    semantic_ids: ArtifactRef | None = None,
) -> Annotated[ArtifactRef, "comparison"]:
    """Return the gate's verdict with its reasons; ``champion`` is the production model's hash.

    Bento, drift and semantic IDs are what its guardrails look at.
    """
    given = {"challenger": challenger, "evaluation": evaluation, "examples": examples,
             "intents": intents, "drift": drift, "semantic_ids": semantic_ids}  # fmt: skip
    parents = {role: ref for role, ref in given.items() if ref is not None}

    def write(into: Path) -> dict[str, Scalar]:
        from steps.adapters.release_comparison import compare

        return compare(into, parents, bento, settings, line, champion, bootstrap, seed)

    config = {"release": settings, "champion": champion, "bootstrap": bootstrap, "seed": seed,
              "bento": bento and [bento.model_hash, bento.size_bytes]}  # fmt: skip
    library = caching.evaluation_code()
    return produce("comparison", write, config=config, parents=parents, library=library)
