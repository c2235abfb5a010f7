"""Step: register the Bento, and promote or stage it when the gate says so."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from steps.adapters.bento import BentoRef
from steps.adapters.release_verdict import carry_out, tell
from steps.adapters.release_zenml import mark_in_zenml
from steps.adapters.releases import release_folder
from steps.adapters.tracking import record, record_on_model, run_name
from steps.adapters.workspace import local


@step(enable_cache=False)
def promote_bento(
    bento: BentoRef,
    comparison: ArtifactRef,
    evaluation: ArtifactRef,
    line: str,
    settings: dict[str, Any] | None = None,
) -> Annotated[dict[str, Any], "release"]:
    """Return the production version after the gate's verdict was carried out.

    ``settings`` is the content of a file of ``configs/release``: whom to tell.
    """
    from models.assessment.compare import read_comparison

    folder = release_folder(line)
    verdict = read_comparison(local(comparison))
    stage = carry_out(folder, bento, verdict, evaluation.summary, run_name())
    released = mark_in_zenml(folder, line)
    release = {"version": bento.version, "tag": bento.tag, "production": released}
    promoted = verdict.promote and stage == "production"
    told = {**release, "production": released or "none", "promoted": promoted, "stage": stage}
    record(told)
    record_on_model(told)
    tell(line, bento.version, stage, verdict, settings or {})
    return release
