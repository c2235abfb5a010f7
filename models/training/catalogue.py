"""The catalogue of a data set: what its store, its content embeddings and its intents hold."""

import numpy as np
import torch
from jaxtyping import Float, Int32

from models.data.catalogue import Catalogue
from models.data.codes import FIRST
from models.data.examples import ExampleStore
from models.errors import IncompatibleArtifactError
from models.intents.labels import IntentLabels

USERS_PER_ITEM = 10


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
        item_users=torch.as_tensor(users_of_items(store)),
        item_impressions=torch.as_tensor(np.array(store.item_train_count, dtype=np.int32)),
    )


def users_of_items(store: ExampleStore) -> Int32[np.ndarray, "N K"]:
    """Return up to `USERS_PER_ITEM` users who clicked each item in train, 0 where there are fewer.

    A user has one place in an item's row, by code; of those that share it the newest stays.
    """
    clicked = store.rows("train")
    clicked = clicked[np.asarray(store.label)[clicked] == 1]  # in order of time
    user = np.asarray(store.user)[clicked]
    table = np.zeros((store.spec.num_items, USERS_PER_ITEM), np.int32)
    table[np.asarray(store.target_item)[clicked], user % USERS_PER_ITEM] = user
    table[:FIRST] = 0
    return table


def _floats(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.array(values, dtype=np.float32))
