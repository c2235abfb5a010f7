"""Step: item texts and images to content embeddings."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.tables import read_tables
from models.encoders.config import EncoderConfig
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import images_folder, local, newest_artifact, produce


@step(
    cache_policy=caching.on("encoder_code"),
    output_materializers=ArtifactRefMaterializer,
)
def embed_items(
    tables: ArtifactRef, validation: ArtifactRef, settings: dict[str, Any]
) -> Annotated[ArtifactRef, "item_embeddings"]:
    """Return the embedding of every item; items an earlier run embedded are not encoded again."""
    from models.encoders.embedding import embed_items as embed

    config = parse_settings(EncoderConfig, settings, "encoder")
    source = read_tables(local(tables))
    previous = newest_artifact("item_embeddings")
    return produce(
        "item_embeddings",
        lambda into: embed(
            source.items,
            source.spec,
            config,
            into,
            previous=previous,
            images_root=images_folder(source.spec),
        ),
        config=settings,
        parents={"tables": tables},
        library=caching.encoder_code(),
    )
