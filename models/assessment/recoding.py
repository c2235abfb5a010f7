"""Lets a model score examples that were coded after it was trained.

A champion keeps the codes of its own training run. On today's store the same item may have another
code, so every id is translated through its original value; what the champion never saw is unknown.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from models.data.batch import Batch
from models.data.code_maps import field_map, field_places, item_map, user_map
from models.data.examples import ExampleStore
from models.data.vocabulary import FieldVocabulary, Vocabularies


class RecodedStore:
    """An example store that speaks the codes of another vocabulary.

    Args:
        store: The examples.
        vocabularies: The codes a model was trained with.
    """

    def __init__(self, store: ExampleStore, vocabularies: Vocabularies) -> None:
        own = store.vocabularies()
        self._store = store
        self.request = store.request
        self._items = torch.from_numpy(item_map(own, vocabularies))
        self._users = torch.from_numpy(user_map(own, vocabularies))
        self._user_fields = _field_maps(own.user, vocabularies.user)
        self._context_fields = _field_maps(own.context, vocabularies.context)

    def gather(self, rows: Int[np.ndarray, " B"]) -> Batch:
        """Return the examples at ``rows`` in the other vocabulary's codes."""
        batch = self._store.gather(rows)
        return replace(
            batch,
            user=self._users[batch.user.long()],
            target_item=self._items[batch.target_item.long()],
            trigger_item=self._items[batch.trigger_item.long()],
            history=self._items[batch.history.long()],
            user_fields=_recode(batch.user_fields, self._user_fields),
            context_fields=_recode(batch.context_fields, self._context_fields),
        )


def store_for(store: ExampleStore, vocabularies: Vocabularies) -> ExampleStore | RecodedStore:
    """Return ``store`` itself where the codes are the same, else the store recoded."""
    own = store.vocabularies()
    same = (
        own.spec == vocabularies.spec
        and own.known_items.equals(vocabularies.known_items)
        and own.known_users[: own.num_train_users].equals(
            vocabularies.known_users[: vocabularies.num_train_users]
        )
        and (own.user, own.context) == (vocabularies.user, vocabularies.context)
    )
    return store if same else RecodedStore(store, vocabularies)


def _field_maps(
    own: Sequence[FieldVocabulary], other: Sequence[FieldVocabulary]
) -> list[tuple[int, Int[Tensor, " V"]]]:
    """Return, for each field of ``other``, its column in ``own`` and the map of the codes."""
    return [
        (column, torch.from_numpy(field_map(own[column], field)))
        if column >= 0
        else (column, torch.zeros(1, dtype=torch.int32))
        for column, field in zip(field_places(own, other), other, strict=True)
    ]


def _recode(
    codes: Int[Tensor, "B F"], maps: list[tuple[int, Int[Tensor, " V"]]]
) -> Int[Tensor, "B G"]:
    columns = [
        torch.zeros(len(codes), dtype=torch.int32) if column < 0 else table[codes[:, column].long()]
        for column, table in maps
    ]
    return torch.stack(columns, 1) if columns else codes.new_zeros((len(codes), 0))
