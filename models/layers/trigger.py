"""What models of trigger-induced recommendation share: the trigger's category, and its intent."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.data.codes import UNKNOWN
from models.errors import ConfigError

CATEGORY = "category"


class TriggerCategory(nn.Module):
    """Tells which items are of the trigger's category: the hard subsequence, and intent labels.

    Args:
        catalogue: The items' side fields.
        field: The side field that is the category; ``None`` takes ``category``, or the first field
            where none is named so. Where items have no side fields each is a category of its own.

    Raises:
        ConfigError: the catalogue has no such field.
    """

    codes: Tensor

    def __init__(self, catalogue: Catalogue, field: str | None) -> None:
        super().__init__()
        self.register_buffer("codes", _categories(catalogue, field), persistent=False)

    def same(
        self, trigger: Int[Tensor, "*shape"], items: Int[Tensor, "*shape"]
    ) -> Bool[Tensor, "*shape"]:
        """Return where item and trigger are of one known category."""
        wanted = self.codes[trigger.long()]
        return (self.codes[items.long()] == wanted) & (wanted > UNKNOWN)

    def padded(self, batch: Batch) -> Bool[Tensor, "B L"]:
        """Return which behaviours of the padded histories are of the trigger's category."""
        trigger = batch.trigger_item[:, None].expand_as(batch.history)
        return self.same(trigger, batch.history) & batch.history_mask

    def jagged(
        self, batch: Batch, newest: int | None = None
    ) -> tuple[Int[Tensor, " S"], Int[Tensor, " B1"]]:
        """Return the places of those behaviours in the jagged histories, and their offsets.

        Args:
            batch: The impressions.
            newest: Behaviours a row keeps at most, its newest ones; ``None`` for all.
        """
        histories = batch.jagged
        trigger = batch.trigger_item.repeat_interleave(histories.offsets.diff())
        same = self.same(trigger, histories.items)
        places, starts = (
            same.nonzero().squeeze(-1),
            F.pad(same.cumsum(0), (1, 0))[histories.offsets],
        )
        if newest is None:
            return places, starts
        place = torch.arange(len(places), device=places.device)
        left = starts[1:].repeat_interleave(starts.diff()) - place
        kept = left <= newest
        return places[kept], F.pad(kept.cumsum(0), (1, 0))[starts]

    def intent_loss(
        self, batch: Batch, logit: Float[Tensor, " B"], targets: Int[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        """Return the cross entropy of "the intent is on the trigger", the mean over clicks.

        A click on the trigger's category says it is, a click elsewhere that it is not; what was
        not clicked, or has no trigger, says nothing.
        """
        counted = batch.label * (batch.trigger_item > 0)
        on_trigger = self.same(batch.trigger_item, targets).to(logit.dtype)
        losses = F.binary_cross_entropy_with_logits(logit, on_trigger, reduction="none")
        return (losses * counted).sum() / counted.sum().clamp_min(1.0)


def mixed_logit(
    intent: Float[Tensor, "#B"], on_trigger: Float[Tensor, " B"], elsewhere: Float[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Return the logit of π·σ(a) + (1-π)·σ(b), for the logits of π, a and b."""
    weights = F.logsigmoid(intent), F.logsigmoid(-intent)

    def log_mixture(first: Tensor, second: Tensor) -> Tensor:
        return torch.logaddexp(weights[0] + first, weights[1] + second)

    clicked = log_mixture(F.logsigmoid(on_trigger), F.logsigmoid(elsewhere))
    passed = log_mixture(F.logsigmoid(-on_trigger), F.logsigmoid(-elsewhere))
    return clicked - passed


def _categories(catalogue: Catalogue, field: str | None) -> Int[Tensor, " N"]:
    names = [one.name for one in catalogue.spec.item_fields]
    if field is not None and field not in names:
        raise ConfigError(
            f"Items have no side field {field!r}.",
            where="category_field in the model's settings",
            allowed=", ".join(names) or "none: items have no side fields here",
            do="Name one of these, or leave category_field out.",
        )
    if not names:
        return torch.arange(catalogue.spec.num_items, dtype=torch.int32)
    chosen = field or (CATEGORY if CATEGORY in names else names[0])
    return catalogue.item_fields[:, names.index(chosen)].contiguous()
