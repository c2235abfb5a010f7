"""The batch every CTR model reads.

Shape letters of the whole library: ``B`` batch, ``L`` history length, ``F`` fields, ``D`` width,
``K`` levels of a semantic ID, ``V`` codebook size, ``H`` attention heads, ``n`` intent levels.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of impressions. Codes: 0 is padding or none, 1 is unknown, the rest are known ids.

    Item side features and content embeddings are not carried along: they belong to the item, and
    a model looks them up by code (`models.data.catalogue.Catalogue`).
    """

    user: Int[Tensor, " B"]
    target_item: Int[Tensor, " B"]
    trigger_item: Int[Tensor, " B"]  # 0 where the impression has no trigger
    history: Int[Tensor, "B L"]  # oldest → newest from column 0 on, then padding (0)
    history_mask: Bool[Tensor, "B L"]  # True = real
    history_age_s: Int[Tensor, "B L"]  # impression time minus event time, seconds; 0 on padding
    user_fields: Int[Tensor, "B Fu"]
    context_fields: Int[Tensor, "B Fc"]
    label: Float[Tensor, " B"]
    intent: Float[Tensor, "B n"] | None = None  # y_int (DAIAN Eq. 1); zeros without a click
    has_intent: Bool[Tensor, " B"] | None = None  # True where the request has a click

    @property
    def size(self) -> int:
        """Number of impressions."""
        return self.user.shape[0]

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on ``device``."""
        values: dict[str, Any] = {
            field.name: None if value is None else value.to(device)
            for field in fields(self)
            for value in (getattr(self, field.name),)
        }
        return Batch(**values)
