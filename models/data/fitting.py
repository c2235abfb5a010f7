"""Fits vocabularies and numeric bins, on what the train split shows and nothing else."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int32

from models.data.codes import FIRST
from models.data.example_settings import ExamplesConfig
from models.data.tables import Tables
from models.data.vocabulary import FieldVocabulary, Side, Vocabularies


@dataclass(frozen=True)
class Seen:
    """What the train split shows.

    Attributes:
        users: Users in order of code, train users first; an id each.
        num_train_users: How many of them are of train.
        items: Whether each item of the catalogue is a target, a trigger or in a history of train.
        context: The train impressions, with their context columns.
    """

    users: pl.Series
    num_train_users: int
    items: Bool[np.ndarray, " I"]
    context: pl.DataFrame


def fit_vocabularies(tables: Tables, seen: Seen, config: ExamplesConfig) -> Vocabularies:
    """Return the vocabularies of ``tables``: all items, train users, train values, train bins.

    A value counts once for each train user, each item train shows, or each train impression that
    has it; rarer values than ``config.min_count`` are unknown.
    """
    spec = tables.spec
    train_users = tables.users.filter(
        pl.col("user_id").is_in(seen.users[: seen.num_train_users].implode())
    )
    train_items = tables.items.filter(pl.Series(seen.items))
    fields: dict[Side, tuple[FieldVocabulary, ...]] = {
        "user": tuple(_values(train_users[name], config) for name in spec.user_fields),
        "item": (
            *(_values(train_items[name], config) for name in spec.item_fields),
            *(_bins(train_items[name], config) for name in spec.item_numeric),
        ),
        "context": tuple(_values(seen.context[name], config) for name in spec.context_fields),
    }
    item_ids = tables.items["item_id"]
    return Vocabularies(item_ids, seen.users, seen.num_train_users, fields, config)


def encode_items(tables: Tables, vocabularies: Vocabularies) -> Int32[np.ndarray, "I Fi"]:
    """Return the field codes of every item by code: row 0 missing, row 1 unknown throughout."""
    codes = encode_fields(tables.items, vocabularies.item)
    head = np.repeat(np.array([[0], [1]], dtype=np.int32), codes.shape[1], axis=1)
    return np.concatenate([head, codes])


def encode_users(tables: Tables, vocabularies: Vocabularies) -> Int32[np.ndarray, "U Fu"]:
    """Return the field codes of every user by code; missing where the users table lacks one."""
    known = vocabularies.known_users.alias("user_id").to_frame()
    users = known.join(tables.users, on="user_id", how="left", maintain_order="left")
    codes = encode_fields(users, vocabularies.user)
    return np.concatenate([np.zeros((FIRST, codes.shape[1]), dtype=np.int32), codes])


def encode_fields(
    frame: pl.DataFrame, fields: tuple[FieldVocabulary, ...]
) -> Int32[np.ndarray, "N F"]:
    """Return the codes of the columns of ``frame`` that ``fields`` name, in that order."""
    codes = np.empty((frame.height, len(fields)), dtype=np.int32)
    for column, vocabulary in enumerate(fields):
        codes[:, column] = vocabulary.encode(frame[vocabulary.name])
    return codes


def _values(column: pl.Series, config: ExamplesConfig) -> FieldVocabulary:
    counts = column.drop_nulls().value_counts(name="occurrences")
    frequent = counts.filter(pl.col("occurrences") >= config.min_count)[column.name]
    return FieldVocabulary(name=column.name, values=tuple(frequent.sort().to_list()))


def _bins(column: pl.Series, config: ExamplesConfig) -> FieldVocabulary:
    """Return bins of about equal numbers; equal values share a bin, so there may be fewer."""
    numbers = column.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
    shares = np.arange(1, config.numeric_bins) / config.numeric_bins
    edges = np.unique(np.quantile(numbers, shares)) if len(numbers) else np.empty(0)
    return FieldVocabulary(name=column.name, edges=tuple(edges.tolist()))
