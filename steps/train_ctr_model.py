"""Step: examples, content and intents to a trained CTR model."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.ctr.config import CTRConfig
from models.data.examples import ExampleStore
from models.encoders.embeddings import load_embeddings
from models.intents.labels import IntentLabels
from models.settings import parse_settings
from models.training.trainer import make_catalogue, train
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
) -> Annotated[ArtifactRef, "ctr_model"]:
    """Return the model the settings name, trained; a killed training goes on where it was."""
    config = parse_settings(CTRConfig, settings, "model")
    store = ExampleStore.open(local(examples))
    labels = IntentLabels.open(local(intents))
    content = load_embeddings(local(embeddings)).aligned(store.item_ids)
    catalogue = make_catalogue(store, content, labels)
    parents = {"examples": examples, "embeddings": embeddings, "intents": intents}
    resume = resume_folder("ctr_model", parents, settings, seed)
    return produce(
        "ctr_model",
        lambda into: train(config, store, catalogue, labels, into, seed=seed, resume_folder=resume),
        config={"model": settings, "seed": seed},
        parents=parents,
        library=caching.training_code(),
    )
