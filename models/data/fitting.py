"""Fits vocabularies and numeric bins, on what the train split shows and nothing else."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Shaped

from models.data.codes import FIRST
from models.data.example_settings import ExamplesConfig
from models.data.fields import Fields
from models.data.vocabulary import FieldVocabulary, Side, Vocabularies


@dataclass(frozen=True)
class Sides:
    """The fields of users, items and impressions, before it is known what train shows.

    Attributes:
        users: One row a user, by position.
        items: One row an item of the catalogue, in order of code.
        context: One row an impression.
        numbers: The numeric columns of the items, to be binned; null where ``binned`` is given.
        binned: The bins there are already, and the items' codes in them.
    """

    users: Fields
    items: Fields
    context: Fields
    numbers: pl.DataFrame | None = None
    binned: tuple[tuple[FieldVocabulary, ...], Int32[np.ndarray, "I Fn"]] | None = None


@dataclass(frozen=True)
class Seen:
    """What the train split shows.

    Attributes:
        users: Positions of the users in order of code, train users first.
        num_train_users: How many of them are of train.
        items: Whether each item of the catalogue is a target, a trigger or in a history of train.
        rows: Whether each impression is of train.
    """

    users: Int[np.ndarray, " U"]
    num_train_users: int
    items: Bool[np.ndarray, " I"]
    rows: Bool[np.ndarray, " N"]


@dataclass(frozen=True)
class Fitted:
    """Vocabularies, all codes under them, and the values that have no code.

    Attributes:
        vocabularies: Of all sides.
        users: Field codes by user code: rows 0 and 1 missing throughout.
        items: Field codes by item code: row 0 missing, row 1 unknown throughout.
        context: Field codes by impression.
        unfitted: Side, field, row and value of every value that is unknown so far; a row is a
            user code, an item code or an impression.
    """

    vocabularies: Vocabularies
    users: Int32[np.ndarray, "U2 Fu"]
    items: Int32[np.ndarray, "I2 Fi"]
    context: Int32[np.ndarray, "N Fc"]
    unfitted: pl.DataFrame


def fit(
    sides: Sides, seen: Seen, ids: tuple[pl.Series, pl.Series], config: ExamplesConfig
) -> Fitted:
    """Return the vocabularies: all items, train users, train values, train bins.

    A value counts once for each train user, each item train shows, or each train impression that
    has it; rarer values than ``config.min_count`` are unknown.

    Args:
        sides: The fields.
        seen: What train shows of them.
        ids: The ids of all users by position, and of all items in order of code.
        config: How to fit.
    """
    train_users = np.zeros(len(seen.users), dtype=bool)
    train_users[seen.users[: seen.num_train_users]] = True
    user_values, user_codes = sides.users.fit(train_users, config.min_count)
    item_values, item_codes = sides.items.fit(seen.items, config.min_count)
    context_values, context_codes = sides.context.fit(seen.rows, config.min_count)
    bins, bin_codes = sides.binned or fit_bins(sides.numbers, seen.items, config)
    fields: dict[Side, tuple[FieldVocabulary, ...]] = {
        "user": user_values,
        "item": (*item_values, *bins),
        "context": context_values,
    }
    by_code = Fields(sides.users.names, sides.users.values, sides.users.codes[seen.users])
    user_codes = user_codes[seen.users]
    unfitted = (
        ("user", FIRST, by_code.unfitted(user_codes)),
        ("item", FIRST, sides.items.unfitted(item_codes)),
        ("context", 0, sides.context.unfitted(context_codes)),
    )
    users, items = ids
    return Fitted(
        Vocabularies(items, users.gather(seen.users), seen.num_train_users, fields, config),
        _headed(user_codes, unknown=0),
        _headed(np.concatenate([item_codes, bin_codes], axis=1), unknown=1),
        context_codes,
        pl.concat(
            table.select(pl.lit(side).alias("side"), "field", pl.col("row") + head, "value")
            for side, head, table in unfitted
        ),
    )


def fit_bins(
    numbers: pl.DataFrame | None, seen: Bool[np.ndarray, " I"], config: ExamplesConfig
) -> tuple[tuple[FieldVocabulary, ...], Int32[np.ndarray, "I Fn"]]:
    """Return bins of about equal numbers of the items train shows, and every item's code."""
    columns = [] if numbers is None else numbers.get_columns()
    bins = tuple(_bins(column.filter(pl.Series(seen)), config) for column in columns)
    codes = [each.encode(column) for each, column in zip(bins, columns, strict=True)]
    empty = np.empty((len(seen), 0), dtype=np.int32)
    return bins, np.stack(codes, axis=1) if codes else empty


def _bins(column: pl.Series, config: ExamplesConfig) -> FieldVocabulary:
    """Return bins of about equal numbers; equal values share a bin, so there may be fewer."""
    numbers = column.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
    shares = np.arange(1, config.numeric_bins) / config.numeric_bins
    edges = np.unique(np.quantile(numbers, shares)) if len(numbers) else np.empty(0)
    return FieldVocabulary(name=column.name, edges=tuple(edges.tolist()))


def _headed(codes: Int32[np.ndarray, "R F"], *, unknown: int) -> Shaped[np.ndarray, "R2 F"]:
    """Return the codes with the rows of codes 0 (missing) and 1 (unknown) before them."""
    head = np.array([[0], [unknown]], dtype=np.int32)
    return np.concatenate([np.repeat(head, codes.shape[1], axis=1), codes])
