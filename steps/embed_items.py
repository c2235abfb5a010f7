"""Step: item texts and images to content embeddings."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.tables import images_folder, read_tables
from models.encoders.config import EncoderConfig
from models.encoders.embed import embed_items as embed
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.workspace import local, newest_artifact, produce


@step(cache_policy=caching.on("encoder_code"))
def embed_items(
    tables: ArtifactRef, validation: ArtifactRef, settings: dict[str, Any]
) -> Annotated[ArtifactRef, "item_embeddings"]:
    """Return the embedding of every item; items an earlier run embedded are not encoded again."""
    config = parse_settings(EncoderConfig, settings, "encoder")
    folder = local(tables)
    source = read_tables(folder)
    previous = newest_artifact("item_embeddings")
    return produce(
        "item_embeddings",
        lambda into: embed(
            source.items,
            source.spec,
            config,
            into,
            previous=previous,
            images_root=images_folder(source.spec, folder),
        ),
        config=settings,
        parents={"tables": tables},
        library=caching.encoder_code(),
    )
