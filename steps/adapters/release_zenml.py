"""ZenML's Model Control Plane follows our pointer; where the two differ, it is corrected."""

from pathlib import Path
from typing import TYPE_CHECKING

from steps.adapters.release import production
from steps.adapters.release_log import locked

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.client import Client


def mark_in_zenml(folder: Path, model_name: str) -> str | None:
    """Give ZenML's stage ``production`` to the model version whose run made our production version.

    Args:
        folder: The line's folder, the source of truth.
        model_name: The line's model in ZenML.

    Returns:
        Our production version, ``None`` before the first promotion.
    """
    from zenml.client import Client
    from zenml.enums import ModelStages

    client = Client()
    with locked(folder):
        release = production(folder)
        wanted = _made_by(client, release.run if release else None)
        marked = _in_production(client, model_name)
        if marked != wanted:
            if wanted is not None:
                version = client.get_model_version(model_name, wanted)
                version.set_stage(ModelStages.PRODUCTION, force=True)
            elif marked is not None:
                client.get_model_version(model_name, marked).set_stage(
                    ModelStages.ARCHIVED, force=True
                )
    return release.version if release else None


def _made_by(client: "Client", run: str | None) -> "UUID | None":
    """Return the id of the model version a run made; ``None`` where ZenML knows no such run."""
    if run is None:
        return None
    try:
        version = client.get_pipeline_run(run, allow_name_prefix_match=False).model_version
    except KeyError:
        return None
    return None if version is None else version.id


def _in_production(client: "Client", model_name: str) -> "UUID | None":
    from zenml.enums import ModelStages

    try:
        return client.get_model_version(model_name, ModelStages.PRODUCTION).id
    except KeyError:
        return None
