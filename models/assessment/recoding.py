"""Lets a model score examples that were coded after it was trained.

A champion keeps the codes of its own training run. On today's store the same item may have another
code, so every id is translated through its original value; what the champion never saw is unknown.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from models.data.batch import Batch
from models.data.examples import ExampleStore
from models.data.vocabulary import MISSING, UNKNOWN, FieldVocabulary, Vocabularies, codes_of


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
        self._items = _table(codes_of(own.item_ids, vocabularies.known_items))
        train_users = vocabularies.known_users[: vocabularies.num_train_users]
        self._users = _table(codes_of(own.user_ids[: own.spec.num_users], train_users))
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


def _table(codes: Int[np.ndarray, " N"]) -> Int[Tensor, " N"]:
    """Return old code → new code; padding stays padding, unknown stays unknown."""
    table = np.array(codes, dtype=np.int32)
    table[MISSING], table[UNKNOWN] = MISSING, UNKNOWN
    return torch.from_numpy(table)


def _field_maps(
    own: Sequence[FieldVocabulary], other: Sequence[FieldVocabulary]
) -> list[tuple[int, Int[Tensor, " V"]]]:
    """Return, for each field of ``other``, its column in ``own`` and the map of the codes."""
    place = {vocabulary.name: column for column, vocabulary in enumerate(own)}
    return [
        (place[field.name], _table(_field_codes(own[place[field.name]], field)))
        if field.name in place
        else (-1, torch.zeros(1, dtype=torch.int32))
        for field in other
    ]


def _field_codes(own: FieldVocabulary, other: FieldVocabulary) -> Int[np.ndarray, " V"]:
    values = _representatives(own)
    return np.concatenate([np.zeros(2, np.int32), other.encode(values)]).astype(np.int32)


def _representatives(field: FieldVocabulary) -> pl.Series:
    """Return one value for each code from 2 on: the value itself, or the middle of its bin."""
    if field.edges is None:
        return pl.Series(list(field.values))
    inner = np.asarray(field.edges, dtype=np.float64)
    if not len(inner):
        return pl.Series([0.0])
    middles = (inner[1:] + inner[:-1]) / 2
    return pl.Series([inner[0] - 1.0, *middles, inner[-1]])


def _recode(
    codes: Int[Tensor, "B F"], maps: list[tuple[int, Int[Tensor, " V"]]]
) -> Int[Tensor, "B G"]:
    columns = [
        torch.zeros(len(codes), dtype=torch.int32) if column < 0 else table[codes[:, column].long()]
        for column, table in maps
    ]
    return torch.stack(columns, 1) if columns else codes.new_zeros((len(codes), 0))
