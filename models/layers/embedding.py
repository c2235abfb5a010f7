"""Embeddings of items (id ⊕ side fields), users and context (DAIAN Eq. 2–3)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.data.feature_spec import Field
from models.layers.lookup import distinct, mean_rows, take_rows
from models.layers.mlp import join

INITIAL_SCALE = 0.01


class IdEmbedding(nn.Embedding):
    """A table whose row 0 (padding, none) is zero and stays so, and whose row 1 starts at zero.

    Row 1 stands for unknown ids: until training meets some, zero says nothing about them. The
    gradient is sparse: an optimizer step costs what a batch looks up, not what the table holds.

    Args:
        size: Number of codes.
        dim: Width.
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__(max(size, 2), dim, padding_idx=0, sparse=True)

    def reset_parameters(self) -> None:
        """Draw the initial weights."""
        nn.init.normal_(self.weight, std=INITIAL_SCALE)
        with torch.no_grad():
            self.weight[:2] = 0.0


class FieldEmbedding(nn.Module):
    """All categorical fields of one entity in one table: a single lookup for all of them.

    Code 0 (missing) of every field is row 0 of the table, which is zero and stays so.

    Args:
        spec: The fields and their sizes.
        dim: Width of one field's embedding.
    """

    offsets: Tensor

    def __init__(self, spec: Sequence[Field], dim: int) -> None:
        super().__init__()
        starts = [0]
        for one in spec:
            starts.append(starts[-1] + one.size - 1)
        self.width = dim * len(spec)
        self.register_buffer("offsets", torch.tensor(starts[:-1]), persistent=False)
        self.table = IdEmbedding(starts[-1] + 1, dim) if spec else None

    def forward(self, codes: Int[Tensor, "*shape F"]) -> Float[Tensor, "*shape D"]:
        """Return the embeddings of all fields, side by side."""
        if self.table is None:
            return torch.zeros(codes.shape, device=codes.device)
        return self.table((codes + self.offsets) * (codes > 0)).flatten(-2)


class ItemEmbedding(nn.Module):
    """Item id ⊕ side fields (Eq. 3); the side fields are looked up by item code.

    Args:
        catalogue: Sizes, and the side-field codes of every item.
        dim: Width of the id's embedding, and of each field's.
    """

    item_fields: Tensor

    def __init__(self, catalogue: Catalogue, dim: int) -> None:
        super().__init__()
        self.ids = IdEmbedding(catalogue.spec.num_items, dim)
        self.fields = FieldEmbedding(catalogue.spec.item_fields, dim)
        self.width = dim + self.fields.width
        self.register_buffer("item_fields", catalogue.item_fields, persistent=False)

    def forward(self, items: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        """Return the embedding of each item code; zeros for code 0."""
        ids = self.ids(items)
        if self.fields.table is None:
            return ids
        return torch.cat([ids, self.fields(self.item_fields[items.long()])], dim=-1)

    def sequence(self, items: Int[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """Return the same as `forward`, quicker: each distinct item is looked up once."""
        table, (position,) = self.rows(items)
        return take_rows(table, position)

    def mean(self, items: Int[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """Return the mean over real positions, zeros without any; no ``B L D`` tensor is made."""
        table, (position,) = self.rows(items * mask)
        total = F.embedding_bag(position, table, mode="sum")
        return total / mask.sum(-1, keepdim=True).clamp_min(1)

    def rows(
        self, *codes: Int[Tensor, "..."]
    ) -> tuple[Float[Tensor, "n D"], tuple[Int[Tensor, "..."], ...]]:
        """Return the embedding of every distinct item, and the row of each code in that table.

        All that a batch looks up goes in here together, so that each item is looked up, and its
        gradient applied, once: ``table, (target, history) = items.rows(targets, histories)``, then
        ``take_rows(table, target)``.
        """
        found, positions = self.distinct(*codes)
        return self(found), positions

    def distinct(
        self, *codes: Int[Tensor, "..."]
    ) -> tuple[Int[Tensor, " n"], tuple[Int[Tensor, "..."], ...]]:
        """Return the distinct items, and the place of each code among them."""
        found, position = distinct(
            torch.cat([part.flatten() for part in codes]), self.ids.num_embeddings
        )
        parts = position.split([part.numel() for part in codes])
        return found, tuple(part.view_as(of) for part, of in zip(parts, codes, strict=True))


class ItemFields(nn.Module):
    """The side fields of an item alone: what is learnt of it holds for items never seen, too.

    Args:
        catalogue: Sizes, and the side-field codes of every item.
        dim: Width of each field's embedding.
    """

    item_fields: Tensor

    def __init__(self, catalogue: Catalogue, dim: int) -> None:
        super().__init__()
        self.fields = FieldEmbedding(catalogue.spec.item_fields, dim)
        self.width = self.fields.width
        self.register_buffer("item_fields", catalogue.item_fields, persistent=False)

    def forward(self, items: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        """Return the embedding of each item code; zeros for code 0."""
        return self.fields(self.item_fields[items.long()])


class UserEmbedding(nn.Module):
    """User id ⊕ profile fields ⊕ context fields: what a request says besides items.

    Args:
        catalogue: Sizes.
        dim: Width of the id's embedding, and of each field's.
        context: Whether the context fields take part.
    """

    def __init__(self, catalogue: Catalogue, dim: int, *, context: bool = True) -> None:
        super().__init__()
        self.ids = IdEmbedding(catalogue.spec.num_users, dim)
        self.fields = FieldEmbedding(catalogue.spec.user_fields, dim)
        self.context = FieldEmbedding(catalogue.spec.context_fields if context else (), dim)
        self.width = dim + self.fields.width + self.context.width

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Return one vector per impression."""
        return torch.cat(self.parts(batch, batch), dim=-1)

    def parts(self, requests: Batch, impressions: Batch) -> list[Float[Tensor, "_ _"]]:
        """Return id and profile of each request, and the context of each impression."""
        parts = [self.ids(requests.user)]
        if self.fields.table is not None:
            parts.append(self.fields(requests.user_fields))
        if self.context.table is not None:
            parts.append(self.context(impressions.context_fields))
        return parts


class UserFields(nn.Module):
    """The profile fields of a user alone.

    Args:
        catalogue: Sizes.
        dim: Width of each field's embedding.
    """

    def __init__(self, catalogue: Catalogue, dim: int) -> None:
        super().__init__()
        self.fields = FieldEmbedding(catalogue.spec.user_fields, dim)
        self.width = self.fields.width

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Return one vector per impression."""
        return self.fields(batch.user_fields)


def fields_side_by_side(
    items: ItemEmbedding,
    user: UserEmbedding,
    batch: Batch,
    targets: Int[Tensor, " T"],
    *,
    mean: bool,
    trigger: bool,
) -> Float[Tensor, "T D"]:
    """Return user, target and, where wanted, the history's mean and the trigger, side by side.

    What is not wanted is not looked up, and a history not even gathered.

    Args:
        items: Embeds targets, triggers and histories.
        user: Embeds users, profiles and context.
        batch: The impressions.
        targets: Item codes, as in `TargetScorer.score_targets`.
        mean: Whether the mean of the history takes part.
        trigger: Whether the trigger does.
    """
    codes = [targets]
    if trigger:
        codes.append(batch.trigger_item)
    if mean:
        codes.append(batch.jagged.items)
    table, (target, *others) = items.rows(*codes)
    parts = [user(batch), take_rows(table, target)]
    if mean:
        parts.append(mean_rows(table, others.pop(), batch.jagged.offsets))
    return join(*parts, *(take_rows(table, place) for place in others))
