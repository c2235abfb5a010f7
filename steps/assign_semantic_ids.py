"""Step: every item's semantic ID, and what the tokenizer is worth."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.data.tables import read_tables
from models.encoders.embeddings import load_embeddings
from models.reports.pages import write_tokenizer_page
from models.tokenizers.assignment import assign_semantic_ids as assign
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("tokenizer_code"),
    output_materializers=ArtifactRefMaterializer,
)
def assign_semantic_ids(
    tokenizer: ArtifactRef, embeddings: ArtifactRef, tables: ArtifactRef
) -> Annotated[ArtifactRef, "semantic_ids"]:
    """Return the two-way table of items and semantic IDs."""

    def write(folder: Any) -> Any:
        summary = assign(load_embeddings(local(embeddings)), local(tokenizer), folder)
        write_tokenizer_page(folder, read_tables(local(tables)).items)
        return summary

    return produce(
        "semantic_ids",
        write,
        config={},
        parents={"tokenizer": tokenizer, "embeddings": embeddings, "tables": tables},
        library=caching.tokenizer_code(),
    )
