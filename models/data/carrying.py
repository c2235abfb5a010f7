"""The fields of a store that is appended to: old rows as they were read, new ones after them."""

import numpy as np
import polars as pl
from jaxtyping import Int32

from models.data.codes import FIRST
from models.data.fields import Fields, GrowingValues
from models.data.fitting import Sides
from models.data.store import UNFITTED_FILE, ExampleStore
from models.data.tables import TableScan
from models.data.vocabulary import FieldVocabulary, Side
from models.errors import SchemaError


def new_context(
    store: ExampleStore, scan: TableScan
) -> tuple[list[GrowingValues], Int32[np.ndarray, "N Fc"]]:
    """Return the context's values so far, and the codes of the old impressions by them."""
    group = 1 + (store.config.negatives.per_positive if store.config.negatives else 0)
    schema = scan.impressions.collect_schema()
    return _as_read(store, "context", store.context_fields[::group], schema, 0)


def carried_sides(
    store: ExampleStore, scan: TableScan, ids: tuple[pl.Series, pl.Series], context: Fields
) -> Sides:
    """Return all fields: of old users and items, where the new tables lack them, as they were.

    Args:
        store: The store so far.
        scan: The new tables.
        ids: The ids of all users by position, and of all items in order of code.
        context: The context fields of all rows.
    """
    vocabularies = store.vocabularies()
    num_fields = len(scan.spec.item_fields)
    users = _side(store, "user", store.user_fields[FIRST:], scan.users, ids[0])
    items = _side(store, "item", store.item_fields[FIRST:, :num_fields], scan.items, ids[1])
    bins = vocabularies.item[num_fields:]
    numbers = [each.encode(scan.items[each.name])[:, None] for each in bins]
    given = np.concatenate([np.empty((scan.items.height, 0), np.int32), *numbers], axis=1)
    binned = _placed(store.item_fields[FIRST:, num_fields:], given, scan.items["item_id"], ids[1])
    return Sides(users=users, items=items, context=context, binned=(bins, binned))


def _side(
    store: ExampleStore,
    side: Side,
    codes: Int32[np.ndarray, "R F"],
    table: pl.DataFrame,
    ids: pl.Series,
) -> Fields:
    growing, old = _as_read(store, side, codes, table.schema, FIRST)
    fields = _vocabularies(store, side)
    given = np.empty((table.height, len(fields)), dtype=np.int32)
    for place, (field, values) in enumerate(zip(fields, growing, strict=True)):
        given[:, place] = values.codes(table[field.name])
    whole = _placed(old, given, table[ids.name], ids)
    names, fitted = [field.name for field in fields], [len(field.values) for field in fields]
    return Fields(tuple(names), tuple(g.values for g in growing), whole, tuple(fitted))


def _as_read(
    store: ExampleStore,
    side: Side,
    codes: Int32[np.ndarray, "R F"],
    schema: pl.Schema,
    head: int,
) -> tuple[list[GrowingValues], Int32[np.ndarray, "R F"]]:
    """Return values and codes of a side with the values that had no code so far."""
    unfitted = pl.read_parquet(store.folder / UNFITTED_FILE).filter(pl.col("side") == side)
    codes, growing = codes.copy(), []
    for place, field in enumerate(_vocabularies(store, side)):
        own = unfitted.filter(pl.col("field") == field.name)
        values = GrowingValues(_known(field, schema))
        found = values.codes(_of_type(own["value"], schema[field.name]))
        codes[own["row"].to_numpy() - head, place] = found
        growing.append(values)
    return growing, codes


def _vocabularies(store: ExampleStore, side: Side) -> tuple[FieldVocabulary, ...]:
    """Return the vocabularies of a side's categorical fields."""
    fields = {
        "user": store.vocabularies().user,
        "item": store.vocabularies().item,
        "context": store.vocabularies().context,
    }[side]
    return tuple(field for field in fields if field.edges is None)


def _known(field: FieldVocabulary, schema: pl.Schema) -> pl.Series:
    try:
        return pl.Series(field.name, list(field.values), dtype=schema[field.name])
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise SchemaError(
            f"Column {field.name!r} has type {schema[field.name]}; in the store it has values "
            f"like {field.values[0]!r}.",
            where=f"column {field.name}",
            allowed="the type the store was built with",
            do="Convert the column in the data set's adapter, or build the store anew.",
        ) from None


def _of_type(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    return values == "true" if dtype == pl.Boolean else values.cast(dtype)


def _placed(
    old: Int32[np.ndarray, "R F"],
    given: Int32[np.ndarray, "G F"],
    given_ids: pl.Series,
    ids: pl.Series,
) -> Int32[np.ndarray, "I F"]:
    """Return one row an id: the given one, else the old one, else none of its values."""
    whole = np.zeros((len(ids), old.shape[1]), dtype=np.int32)
    whole[: len(old)] = old
    table = pl.DataFrame({"id": ids, "row": np.arange(len(ids))})
    rows = given_ids.to_frame("id").join(table, on="id", how="left", maintain_order="left")["row"]
    whole[rows.to_numpy()] = given
    return whole
