"""Step: every item's semantic ID, and what the tokenizer is worth."""

from pathlib import Path
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef, Scalar
from models.data.tables import scan_tables
from models.settings import parse_settings
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.quality import item_labels
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.semantic_ids_in_use import ids_of_another, tokenizer_of
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("tokenizer_code"),
    output_materializers=ArtifactRefMaterializer,
)
def assign_semantic_ids(
    tokenizer: ArtifactRef,
    embeddings: ArtifactRef,
    tables: ArtifactRef,
    settings: dict[str, Any] | None = None,
    line: str = "",
    in_use: str = "",
) -> Annotated[ArtifactRef, "semantic_ids"]:
    """Return the two-way table of items and semantic IDs; ``in_use`` is the hash of those now."""
    from models.encoders.embeddings import load_embeddings
    from models.reports.pages import write_tokenizer_page
    from models.tokenizers.assignment import assign_semantic_ids as assign

    gate = parse_settings(TokenizerConfig, settings, "tokenizer").gate if settings else None
    before = ids_of_another(local(tokenizer), line) if in_use else None

    def write(folder: Path) -> dict[str, Scalar]:
        content, catalogue = load_embeddings(local(embeddings)), scan_tables(local(tables))
        summary = assign(
            content,
            local(tokenizer),
            folder,
            previous=before,
            previous_tokenizer=tokenizer_of(before) if before else None,
            gate=gate,
            labels=item_labels(catalogue.items, catalogue.spec.item_fields, content.item_ids),
        )
        write_tokenizer_page(folder, catalogue.items, embeddings=content)
        return summary

    return produce(
        "semantic_ids",
        write,
        config={"gate": gate.model_dump() if gate else None, "in_use": in_use if before else ""},
        parents={"tokenizer": tokenizer, "embeddings": embeddings, "tables": tables},
        library=caching.tokenizer_code(),
    )
