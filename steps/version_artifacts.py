"""Step: every artifact of the run into DVC, and the run into its record."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from steps.adapters.raw_data import data_pin
from steps.adapters.runs import report_run, same_as_before
from steps.adapters.tracking import all_cached, record, run_name
from steps.adapters.workspace import git_commit, local, state_folder


@step(enable_cache=False)
def version_artifacts(
    artifacts: list[ArtifactRef], released: dict[str, Any] | None, line: str
) -> Annotated[dict[str, str], "dvc_hashes"]:
    """Return path → DVC hash of every artifact; ``intentflow checkout RUN`` brings them back.

    ``released`` is what the promoting step returned; a run without one has no record of figures.
    """
    run = run_name()
    hashes = same_as_before(run, artifacts)
    if hashes is None:
        from steps.adapters.dvc import store_artifacts

        hashes = store_artifacts(state_folder(), [local(ref) for ref in artifacts], run)
    record({"dvc": hashes})
    if released is not None:
        provenance, cached = {"commit": git_commit(), "data_hash": data_pin()}, all_cached(UNCACHED)
        report_run(run, line, artifacts, released, cached=cached, provenance=provenance)
    return hashes


UNCACHED = frozenset({"promote_bento", "version_artifacts"})
