"""Requests in a batch of impressions: what a request alone decides needs to be computed once."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.data.batch import Batch, JaggedHistory
from models.layers.lookup import take_rows


class Requests(NamedTuple):
    """Who asks in a batch: neighbouring rows of one user, trigger and history, once.

    Attributes:
        batch: One row a request, context and target being those of its first impression.
        starts: Where the rows of each request start, and the end of the last one; ``None`` where
            each row is a request.
        kept: Which events the histories of the requests hold; ``None`` for all.
    """

    batch: Batch
    starts: Int[Tensor, " R1"] | None = None
    kept: Int[Tensor, " K"] | None = None

    @classmethod
    def of(cls, batch: Batch) -> "Requests":
        """Return the requests of a batch on the CPU; elsewhere the rows as they are."""
        if batch.user.device.type != "cpu" or torch.compiler.is_compiling():
            return cls(batch)
        repeats = _repeats(batch)
        if not repeats.any():
            return cls(batch)
        starts = F.pad((~repeats).nonzero().squeeze(-1), (0, 1), value=batch.size)
        lengths, first, ages = batch.jagged.offsets.diff(), starts[:-1], batch.jagged.ages
        kept = (~repeats).repeat_interleave(lengths).nonzero().squeeze(-1)
        offsets = F.pad(lengths[first].cumsum(0), (1, 0))
        histories = JaggedHistory(batch.jagged.items[kept], offsets, lambda: ages()[kept])
        columns = (
            "user", "target_item", "trigger_item", "user_fields", "context_fields", "label",
        )  # fmt: skip
        found = {name: getattr(batch, name)[first] for name in columns}
        return cls(Batch.of_jagged(histories, **found), starts, kept)

    def rows(self, values: Tensor) -> Tensor:
        """Return each request's value, given one a row of the batch."""
        return values if self.starts is None else values[self.starts[:-1]]

    def events(self, values: Tensor) -> Tensor:
        """Return what belongs to the requests' events, given one value an event of the batch."""
        return values if self.kept is None else values[self.kept]

    def each(self, values: Float[Tensor, "R D"]) -> Float[Tensor, "B D"]:
        """Return the value of each row of the batch, given one a request."""
        if self.starts is None:
            return values
        return take_rows(values, torch.repeat_interleave(self.starts.diff()))


def _repeats(batch: Batch) -> Bool[Tensor, " B"]:
    """Return which rows ask what the row before them asks."""
    histories = batch.jagged
    lengths = histories.offsets.diff()
    columns = torch.cat(
        [torch.stack([batch.user, batch.trigger_item, lengths], dim=1), batch.user_fields], dim=1
    )
    found = F.pad((columns[1:] == columns[:-1]).all(-1), (1, 0))
    if not found.any():
        return found
    # Of two histories of one length, an event lies that length behind its twin.
    event = found.repeat_interleave(lengths).nonzero().squeeze(-1)
    row = found.nonzero().squeeze(-1).repeat_interleave(lengths[found])
    differs = histories.items[event] != histories.items[event - lengths[row]]
    return found.index_fill_(0, row[differs], False)
