"""Step: content embeddings to an item tokenizer."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.settings import parse_settings
from models.tokenizers.config import TokenizerConfig
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("tokenizer_code"),
    output_materializers=ArtifactRefMaterializer,
)
def train_tokenizer(
    embeddings: ArtifactRef, settings: dict[str, Any], seed: int
) -> Annotated[ArtifactRef, "tokenizer"]:
    """Return the tokenizer fitted to the item embeddings."""
    from models.encoders.embeddings import load_embeddings
    from models.tokenizers.training import train_tokenizer as fit

    config = parse_settings(TokenizerConfig, settings, "tokenizer")
    values = load_embeddings(local(embeddings)).values
    return produce(
        "tokenizer",
        lambda folder: fit(values, config, folder, seed=seed),
        config={"tokenizer": settings, "seed": seed},
        parents={"embeddings": embeddings},
        library=caching.tokenizer_code(),
    )
