"""Step: trigger–target similarity to intent levels and intent labels."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.intents.config import IntentConfig
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce


@step(
    cache_policy=caching.on("intent_code"),
    output_materializers=ArtifactRefMaterializer,
)
def bin_intents(
    examples: ArtifactRef, embeddings: ArtifactRef, settings: dict[str, Any]
) -> Annotated[ArtifactRef, "intents"]:
    """Return the intent level of every impression and the intent label of every request."""
    from models.data.examples import ExampleStore
    from models.encoders.embeddings import load_embeddings
    from models.intents.labels import bin_intents as bin_levels
    from models.reports.pages import write_intent_page

    config = parse_settings(IntentConfig, settings, "intents")
    store = ExampleStore.open(local(examples))
    content = load_embeddings(local(embeddings)).aligned(store.item_ids)

    def write(folder: Any) -> Any:
        summary = bin_levels(store, content, config, folder)
        write_intent_page(folder)
        return summary

    parents = {"examples": examples, "embeddings": embeddings}
    return produce(
        "intents", write, config=settings, parents=parents, library=caching.intent_code()
    )
