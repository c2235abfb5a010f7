"""Step: a trained model to a Bento that has answered a request."""

from typing import Annotated

from zenml import step

from models.artifacts import ArtifactRef
from steps.adapters import caching
from steps.adapters.bento import BentoRef, build_bento
from steps.adapters.workspace import local, state_folder


@step(cache_policy=caching.on("release_code"))
def package_bento(model: ArtifactRef, line: str) -> Annotated[BentoRef, "bento"]:
    """Return the Bento of the model, built offline and asked before this step succeeds."""
    return build_bento(local(model), version=model.content_hash[:12], home=state_folder() / "bento")
