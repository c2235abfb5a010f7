"""Codes for ids and categorical values. 0 = padding or missing, 1 = unknown, the rest are known.

Everything is fitted on the train split, with one exception: every item of the catalogue has a code,
seen in train or not, because an item's content embedding is known before anybody clicked it.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from jaxtyping import Int32
from pydantic import BaseModel, ConfigDict, ValidationError

from models.data.codes import FIRST, MISSING, UNKNOWN, codes_of
from models.data.example_settings import ExamplesConfig
from models.data.feature_spec import FeatureSpec, Field
from models.errors import CorruptArtifactError, RequestError
from models.files import write_text

Side = Literal["user", "item", "context"]
Value = bool | int | str
VOCABULARY_FILE, ITEMS_FILE, USERS_FILE = (
    "vocabularies.json",
    "item_ids.parquet",
    "user_ids.parquet",
)


class FieldVocabulary(BaseModel):
    """The codes of one field: a list of values, or the inner edges of numeric bins.

    Attributes:
        name: The column's name.
        values: The known values; value ``i`` has code ``i + 2``.
        edges: Ascending inner bin edges of a numeric field, whose codes start at 2; otherwise null.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    values: tuple[Value, ...] = ()
    edges: tuple[float, ...] | None = None

    @property
    def field(self) -> Field:
        """Name and number of codes, counting missing (0) and unknown (1)."""
        known = len(self.values) if self.edges is None else len(self.edges) + 1
        return Field(name=self.name, size=FIRST + known)

    @cached_property
    def _code_of(self) -> dict[Value, int]:
        return {value: code for code, value in enumerate(self.values, start=FIRST)}

    def encode(self, column: pl.Series) -> Int32[np.ndarray, " N"]:
        """Return the code of every value of ``column``."""
        if self.edges is not None:
            numbers = column.cast(pl.Float64).fill_nan(None)
            bins = FIRST + np.searchsorted(self.edges, numbers.fill_null(0.0).to_numpy(), "right")
            return np.where(numbers.is_null().to_numpy(), MISSING, bins).astype(np.int32)
        known = pl.Series("value", list(self.values), dtype=column.dtype, strict=False)
        return codes_of(column, known)

    def encode_one(self, value: Any) -> int:
        """Return the code of one value, as a scoring request brings it."""
        if value is None:
            return MISSING
        if self.edges is not None:
            return FIRST + int(np.searchsorted(self.edges, float(value), "right"))
        return _look_up(self._code_of, value, text=isinstance(next(iter(self.values), None), str))


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    num_train_users: int
    user: tuple[FieldVocabulary, ...]
    item: tuple[FieldVocabulary, ...]
    context: tuple[FieldVocabulary, ...]
    examples: ExamplesConfig


class Vocabularies:
    """All codes of an example store; small files that travel with a trained model.

    Args:
        item_ids: The catalogue's ids; id ``i`` has code ``i + 2``.
        user_ids: All users' ids, those of the train split first.
        num_train_users: How many users are of the train split; a model knows no others.
        fields: The field vocabularies of each side.
        examples: The settings the examples were made with: a scorer builds histories likewise.
    """

    def __init__(
        self,
        item_ids: pl.Series,
        user_ids: pl.Series,
        num_train_users: int,
        fields: Mapping[Side, tuple[FieldVocabulary, ...]],
        examples: ExamplesConfig,
    ) -> None:
        self.known_items, self.known_users = item_ids, user_ids
        self.num_train_users, self.examples = num_train_users, examples
        self.user, self.item, self.context = (fields[side] for side in get_args(Side))

    @property
    def spec(self) -> FeatureSpec:
        """The sizes of all id spaces."""
        return FeatureSpec(
            num_users=FIRST + self.num_train_users,
            num_items=FIRST + len(self.known_items),
            user_fields=tuple(vocabulary.field for vocabulary in self.user),
            item_fields=tuple(vocabulary.field for vocabulary in self.item),
            context_fields=tuple(vocabulary.field for vocabulary in self.context),
        )

    @cached_property
    def item_ids(self) -> pl.Series:
        """Code → item id; null at 0 and 1."""
        return _by_code(self.known_items, "item_id")

    @cached_property
    def user_ids(self) -> pl.Series:
        """Code → user id; null at 0 and 1. Codes from ``spec.num_users`` on are not of train."""
        return _by_code(self.known_users, "user_id")

    @cached_property
    def _item_code(self) -> dict[Value, int]:
        return {value: code for code, value in enumerate(self.known_items.to_list(), start=FIRST)}

    @cached_property
    def _user_code(self) -> dict[Value, int]:
        train = self.known_users[: self.num_train_users].to_list()
        return {value: code for code, value in enumerate(train, start=FIRST)}

    def item_code(self, item_id: Value | None) -> int:
        """Return an item's code: 0 for none, 1 for an item that is not in the catalogue."""
        return _look_up(self._item_code, item_id, text=self.known_items.dtype == pl.String)

    def user_code(self, user_id: Value | None) -> int:
        """Return a user's code: 0 for none, 1 for a user that is not in the train split."""
        return _look_up(self._user_code, user_id, text=self.known_users.dtype == pl.String)

    def item_codes(self, item_ids: pl.Series) -> Int32[np.ndarray, " N"]:
        """Return the code of every id; 0 for null, 1 for ids that are not in the catalogue."""
        return codes_of(item_ids.cast(self.known_items.dtype, strict=False), self.known_items)

    def encode_user_fields(self, values: Mapping[str, Any]) -> list[int]:
        """Return a request's user field codes, in the order of ``spec.user_fields``."""
        return _encode_fields(self.user, values, "user")

    def encode_context_fields(self, values: Mapping[str, Any]) -> list[int]:
        """Return a request's context field codes, in the order of ``spec.context_fields``."""
        return _encode_fields(self.context, values, "context")

    def encode_item_fields(self, values: Mapping[str, Any]) -> list[int]:
        """Return an item's field codes, in the order of ``spec.item_fields``."""
        return _encode_fields(self.item, values, "item")

    def save(self, folder: Path) -> None:
        """Write the vocabularies into ``folder``: one JSON and two parquet files."""
        folder.mkdir(parents=True, exist_ok=True)
        stored = _Stored(
            num_train_users=self.num_train_users,
            user=self.user,
            item=self.item,
            context=self.context,
            examples=self.examples,
        )
        write_text(folder / VOCABULARY_FILE, stored.model_dump_json(indent=1) + "\n")
        self.known_items.rename("item_id").to_frame().write_parquet(folder / ITEMS_FILE)
        self.known_users.rename("user_id").to_frame().write_parquet(folder / USERS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Vocabularies":
        """Return the vocabularies in ``folder``; raise `CorruptArtifactError` if not all there."""
        try:
            stored = _Stored.model_validate_json((folder / VOCABULARY_FILE).read_bytes())
            item_ids = pl.read_parquet(folder / ITEMS_FILE, memory_map=False)["item_id"]
            user_ids = pl.read_parquet(folder / USERS_FILE, memory_map=False)["user_id"]
        except (OSError, ValidationError, pl.exceptions.PolarsError) as error:
            raise CorruptArtifactError(
                f"The vocabularies cannot be read: {str(error).splitlines()[0]}",
                where=str(folder),
                do="Run the pipeline again, or bring the run's files back: intentflow checkout RUN",
            ) from None
        fields: dict[Side, tuple[FieldVocabulary, ...]] = {
            "user": stored.user,
            "item": stored.item,
            "context": stored.context,
        }
        return cls(item_ids, user_ids, stored.num_train_users, fields, stored.examples)


def _by_code(known: pl.Series, name: str) -> pl.Series:
    return pl.concat([pl.Series(name, [None, None], dtype=known.dtype), known.rename(name)])


def _look_up(codes: Mapping[Value, int], value: Value | None, *, text: bool) -> int:
    """Return the code of an id, which JSON may have turned from a number to text or back."""
    if value is None:
        return MISSING
    if text:
        return codes.get(str(value), UNKNOWN)
    try:
        return codes.get(int(value), UNKNOWN)
    except ValueError:
        return UNKNOWN


def _encode_fields(
    vocabularies: tuple[FieldVocabulary, ...], values: Mapping[str, Any], side: str
) -> list[int]:
    names = [vocabulary.name for vocabulary in vocabularies]
    if unknown := sorted(set(values).difference(names)):
        raise RequestError(
            f"The model knows no {side} field {unknown[0]!r}.",
            where=side,
            allowed=", ".join(names) or f"no {side} fields",
            do="Leave the field out, or train with it: name it in the data set's configuration.",
        )
    return [vocabulary.encode_one(values.get(vocabulary.name)) for vocabulary in vocabularies]
