"""From the codes of one vocabulary to those of another, through the ids and values they stand for.

Two data sets of one shop, a day apart, give the same item different codes. A model of yesterday
scores today's examples, or starts today's training, by these maps.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Int32

from models.data.codes import MISSING, UNKNOWN, codes_of
from models.data.vocabulary import FieldVocabulary, Vocabularies


def item_map(own: Vocabularies, other: Vocabularies) -> Int32[np.ndarray, " I"]:
    """Return the code in ``other`` of every item code of ``own``; 1 for items it does not know."""
    return _closed(codes_of(own.item_ids, other.known_items))


def user_map(own: Vocabularies, other: Vocabularies) -> Int32[np.ndarray, " U"]:
    """Return the code in ``other`` of every user code a model of ``own`` has a row for."""
    known = other.known_users[: other.num_train_users]
    return _closed(codes_of(own.user_ids[: own.spec.num_users], known))


def field_map(own: FieldVocabulary, other: FieldVocabulary) -> Int32[np.ndarray, " V"]:
    """Return the code in ``other`` of every code of ``own``, a bin's by its middle."""
    values = _representatives(own)
    codes = other.encode(values) if len(values) else np.zeros(0, np.int32)
    return _closed(np.concatenate([np.zeros(2, np.int32), codes]))


def field_places(own: Sequence[FieldVocabulary], other: Sequence[FieldVocabulary]) -> list[int]:
    """Return the position in ``own`` of each field of ``other``; -1 where it has none."""
    place = {vocabulary.name: column for column, vocabulary in enumerate(own)}
    return [place.get(field.name, -1) for field in other]


def _closed(codes: Int32[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
    """Return the map with padding staying padding and unknown staying unknown."""
    closed = np.array(codes, dtype=np.int32)
    closed[MISSING], closed[UNKNOWN] = MISSING, UNKNOWN
    return closed


def _representatives(field: FieldVocabulary) -> pl.Series:
    """Return one value for each code from 2 on: the value itself, or the middle of its bin."""
    if field.edges is None:
        return pl.Series(list(field.values))
    inner = np.asarray(field.edges, dtype=np.float64)
    if not len(inner):
        return pl.Series([0.0])
    middles = (inner[1:] + inner[:-1]) / 2
    return pl.Series([inner[0] - 1.0, *middles, inner[-1]])
