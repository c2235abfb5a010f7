"""Sizes of the id spaces and categorical features, apart from the tensors over them."""

from pydantic import BaseModel, ConfigDict


class Field(BaseModel):
    """A categorical feature: codes 0 … ``size`` - 1, of which 0 is missing and 1 unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int


class FeatureSpec(BaseModel):
    """Sizes of every id space a model embeds, counting padding (0) and unknown (1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_users: int
    num_items: int
    user_fields: tuple[Field, ...] = ()
    item_fields: tuple[Field, ...] = ()
    context_fields: tuple[Field, ...] = ()
