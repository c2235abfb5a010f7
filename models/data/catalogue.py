"""What a model knows of the id spaces: their sizes, the items' side features and content."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.data.feature_spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The item tables a model looks up by item code; rows 0 (padding) and 1 (unknown) included.

    Attributes:
        spec: The sizes.
        item_fields: Side-feature codes of every item.
        content: L2-normalised content embedding of every item; zeros in rows 0 and 1, and ``None``
            where no encoder was run.
        intent_edges: The inner edges between the intent levels, ascending, on the scale of
            the cosine of mean-centred content; ``None`` without intent levels.
        content_mean: Mean subtracted from the content before the cosine (zeros if not centred).
        item_users: Some of the users who clicked the item in train, the newest, by user code; 0
            where there are fewer. ``None`` in catalogues that were stored without.
        item_impressions: How often train shows the item as a target.
    """

    spec: FeatureSpec
    item_fields: Int[Tensor, "N Fi"]
    content: Float[Tensor, "N C"] | None = None
    content_mean: Float[Tensor, " C"] | None = None
    intent_edges: Float[Tensor, " edges"] | None = None
    item_users: Int[Tensor, "N K"] | None = None
    item_impressions: Int[Tensor, " N"] | None = None

    def users_of_items(self) -> Int[Tensor, "N K"]:
        """Return ``item_users``; nobody for any item where the catalogue has none."""
        if self.item_users is not None:
            return self.item_users
        return torch.zeros(self.spec.num_items, 1, dtype=torch.int32)

    def impressions(self) -> Int[Tensor, " N"]:
        """Return ``item_impressions``; zeros where the catalogue has none."""
        if self.item_impressions is not None:
            return self.item_impressions
        return torch.zeros(self.spec.num_items, dtype=torch.int32)
