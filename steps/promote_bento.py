"""Step: register the Bento, and promote it when the gate says so."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.compare import read_comparison
from steps.adapters.bento import BentoRef
from steps.adapters.release import promote, register_candidate
from steps.adapters.release_zenml import mark_in_zenml
from steps.adapters.releases import release_folder
from steps.adapters.tracking import record, record_on_model, run_name
from steps.adapters.workspace import local


@step(enable_cache=False)
def promote_bento(
    bento: BentoRef, comparison: ArtifactRef, evaluation: ArtifactRef, line: str
) -> Annotated[dict[str, Any], "release"]:
    """Return the production version after the gate's verdict was carried out."""
    folder = release_folder(line)
    verdict = read_comparison(local(comparison))
    register_candidate(
        folder,
        bento,
        approved=verdict.promote,
        reasons=verdict.reasons,
        metrics=evaluation.summary,
        run=run_name(),
    )
    if verdict.promote:
        promote(folder, bento.version, reason="; ".join(verdict.reasons), who="gate")
    released = mark_in_zenml(folder, line)
    release = {"version": bento.version, "tag": bento.tag, "production": released}
    told = {**release, "production": released or "none", "promoted": verdict.promote}
    record(told)
    record_on_model(told)
    return release
