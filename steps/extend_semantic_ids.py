"""Step: semantic IDs of new items by the tokenizer in use; items known before keep theirs."""

from pathlib import Path
from typing import Annotated

from zenml import step

from models.artifacts import ArtifactRef, Scalar
from models.data.tables import scan_tables
from models.tokenizers.quality import item_labels
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("tokenizer_code"),
    output_materializers=ArtifactRefMaterializer,
)
def extend_semantic_ids(
    in_use: ArtifactRef, tokenizer: ArtifactRef, embeddings: ArtifactRef, tables: ArtifactRef
) -> tuple[Annotated[ArtifactRef, "semantic_ids"], Annotated[ArtifactRef, "tokenizer"]]:
    """Return the table of today's catalogue and the frozen tokenizer that made it."""
    from models.encoders.embeddings import load_embeddings
    from models.reports.pages import write_tokenizer_page
    from models.tokenizers.assignment import assign_semantic_ids as assign

    def write(folder: Path) -> dict[str, Scalar]:
        content, catalogue = load_embeddings(local(embeddings)), scan_tables(local(tables))
        labels = item_labels(catalogue.items, catalogue.spec.item_fields, content.item_ids)
        summary = assign(content, local(tokenizer), folder, previous=local(in_use), labels=labels)
        write_tokenizer_page(folder, catalogue.items, embeddings=content)
        return summary

    parents = {"in_use": in_use, "tokenizer": tokenizer, "embeddings": embeddings}
    table = produce(
        "semantic_ids",
        write,
        config={},
        parents={**parents, "tables": tables},
        library=caching.tokenizer_code(),
    )
    return table, tokenizer
