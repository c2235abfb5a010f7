"""The catalogue of a data set: what its store, its content embeddings and its intents hold."""

import numpy as np
import torch
from jaxtyping import Float

from models.data.catalogue import Catalogue
from models.data.examples import ExampleStore
from models.errors import IncompatibleArtifactError
from models.intents.labels import IntentLabels


def make_catalogue(
    store: ExampleStore,
    content: Float[np.ndarray, "N C"] | None,
    intents: IntentLabels | None,
) -> Catalogue:
    """Return what a model may look up by item code.

    Args:
        store: The example store, which fixes the item codes.
        content: Content embedding of every item code; ``None`` without an encoder.
        intents: The intent levels; ``None`` without them.

    Raises:
        IncompatibleArtifactError: the content has not one row per item code.
    """
    if content is not None and content.shape[0] != store.spec.num_items:
        raise IncompatibleArtifactError(
            f"The content has {content.shape[0]} rows for {store.spec.num_items} item codes.",
            where="item embeddings",
            do="Align them first: ItemEmbeddings.aligned(store.item_ids).",
        )
    return Catalogue(
        spec=store.spec,
        item_fields=torch.as_tensor(np.array(store.item_fields, dtype=np.int32)),
        content=None if content is None else _floats(content),
        content_mean=None if intents is None else _floats(intents.content_mean),
        intent_edges=None if intents is None else _floats(intents.edges),
    )


def _floats(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.array(values, dtype=np.float32))
