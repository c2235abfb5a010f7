"""The batch every CTR model reads.

Shape letters of the whole library: ``B`` batch, ``L`` history length, ``F`` fields, ``D`` width,
``K`` levels of a semantic ID, ``V`` codebook size, ``H`` attention heads, ``n`` intent levels;
``T`` events of all histories of a batch together.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

_PADDED = ("history", "history_mask", "history_age_s")


@dataclass(slots=True)
class JaggedHistory:
    """The histories of a batch without padding, oldest → newest.

    Attributes:
        items: Item codes; those of row ``i`` are ``items[offsets[i]:offsets[i + 1]]``.
        offsets: Where each history starts, and the end of the last one.
        ages: What gives the seconds from each event to its impression.
    """

    items: Int[Tensor, " T"]
    offsets: Int[Tensor, " B1"]
    ages: Callable[[], Int[Tensor, " T"]]

    def to(self, device: torch.device | str) -> "JaggedHistory":
        """Return the histories on ``device``."""
        ages = self.ages
        return JaggedHistory(
            self.items.to(device), self.offsets.to(device), lambda: ages().to(device)
        )

    def mask(self) -> Bool[Tensor, "B L"]:
        """Return the real positions of the padded form, which has one position at least."""
        lengths = self.offsets.diff()
        width = max(int(lengths.max()), 1) if lengths.numel() else 1
        return torch.arange(width, device=lengths.device) < lengths[:, None]


class _Padded:
    """The padded form of histories that came without padding, made when it is first asked for."""

    __slots__ = ("_jagged",)
    _jagged: JaggedHistory | Callable[[], JaggedHistory]

    @property
    def _histories(self) -> JaggedHistory:
        found = self._jagged
        if not isinstance(found, JaggedHistory):
            found = found()
            object.__setattr__(self, "_jagged", found)
        return found

    def __getattr__(self, name: str) -> Any:
        if name not in _PADDED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        jagged = self._histories
        if name == "history_mask":
            value = jagged.mask()
        else:
            events = jagged.items if name == "history" else jagged.ages()
            mask = self.history_mask
            value = events.new_zeros(mask.shape).masked_scatter_(mask, events)
        object.__setattr__(self, name, value)
        return value


@dataclass(frozen=True, slots=True)
class Batch(_Padded):
    """One batch of impressions. Codes: 0 is padding or none, 1 is unknown, the rest are known ids.

    Histories have two forms, and each is made from the other when it is first asked for: padded
    (``history``, ``history_mask``, ``history_age_s``), and without padding (`jagged`) for operators
    that skip it. Item side features and content embeddings are not carried along: they belong to
    the item, and a model looks them up by code (`models.data.catalogue.Catalogue`).
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

    @classmethod
    def of_jagged(
        cls, histories: JaggedHistory | Callable[[], JaggedHistory], **columns: Tensor | None
    ) -> "Batch":
        """Return a batch whose padded histories are made when they are first asked for.

        Args:
            histories: The histories, or what gathers them for the first model that reads them: one
                that reads none does not pay for them.
            **columns: All other fields but those of the intent, which may be left out.
        """
        batch = object.__new__(cls)
        values = {"intent": None, "has_intent": None, "_jagged": histories, **columns}
        for name, value in values.items():
            object.__setattr__(batch, name, value)
        return batch

    @property
    def size(self) -> int:
        """Number of impressions."""
        return self.user.shape[0]

    @property
    def jagged(self) -> JaggedHistory:
        """The histories without padding."""
        if not hasattr(self, "_jagged"):
            mask, age = self.history_mask, self.history_age_s
            offsets = F.pad(mask.sum(-1).cumsum(0), (1, 0))
            jagged = JaggedHistory(self.history[mask], offsets, lambda: age[mask])
            object.__setattr__(self, "_jagged", jagged)
        return self._histories

    def gathered(self) -> "Batch":
        """Return the batch itself, its histories in memory: a compiled model gathers none."""
        _ = self.jagged
        return self

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on ``device``."""
        device = torch.device(device)
        if device == self.user.device:
            return self
        padded = _PADDED if hasattr(self, "_jagged") else ()
        values: dict[str, Any] = {
            field.name: None if value is None else value.to(device)
            for field in fields(self)
            if field.name not in padded
            for value in (getattr(self, field.name),)
        }
        if not padded:
            return Batch(**values)
        return Batch.of_jagged(lambda: self.jagged.to(device), **values)
