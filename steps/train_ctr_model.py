"""Step: examples, content and intents to a trained CTR model."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.retraining import Decision
from models.ctr.config import CTRConfig
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce, resume_folder


@step(
    cache_policy=caching.on("training_code"),
    output_materializers=ArtifactRefMaterializer,
)
def train_ctr_model(
    examples: ArtifactRef,
    embeddings: ArtifactRef,
    intents: ArtifactRef,
    settings: dict[str, Any],
    seed: int,
    decision: Decision | None = None,
    champion: ArtifactRef | None = None,
) -> Annotated[ArtifactRef, "ctr_model"]:
    """Return the model the settings name, trained, by a ``decision`` from the champion on."""
    from models.data.examples import ExampleStore
    from models.encoders.embeddings import load_embeddings
    from models.intents.labels import IntentLabels
    from models.training.trainer import make_catalogue, train
    from steps.adapters.warm_starts import narrowed, started_from, told_span

    config = parse_settings(CTRConfig, settings, "model")
    store = narrowed(ExampleStore.open(local(examples)), decision, seed)
    labels = IntentLabels.open(local(intents))
    catalogue = make_catalogue(
        store, load_embeddings(local(embeddings)).aligned(store.item_ids), labels
    )
    start = started_from(decision, champion)
    parents = {"examples": examples, "embeddings": embeddings, "intents": intents, **start}
    told = told_span(store, decision)
    resume = resume_folder("ctr_model", parents, {**settings, **told}, seed)
    older = local(start["champion"]) if start else None
    return produce(
        "ctr_model",
        lambda into: train(config, store, catalogue, labels, into, seed=seed, resume_folder=resume,
                           warm_start=older) | told,
        config={"model": settings, "seed": seed, **({"span": told} if decision else {})},
        parents=parents,
        library=caching.training_code(),
    )  # fmt: skip
