"""What models for new users and items read: how often something was seen, and by whom."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.data.codes import FIRST
from models.layers.embedding import INITIAL_SCALE, UserEmbedding

COUNT_BUCKETS = 16
"""0, 1, 2–3, 4–7 … times, the last bucket from 2¹⁴ on."""


class CountEmbedding(nn.Embedding):
    """An embedding of a count by its power of two.

    Args:
        buckets: Number of buckets; the last one has no upper end.
        dim: Width.
    """

    def __init__(self, buckets: int, dim: int) -> None:
        super().__init__(buckets, dim)
        nn.init.normal_(self.weight, std=INITIAL_SCALE)

    def forward(self, input: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """Return the embedding of each count."""
        edges = 2 ** torch.arange(self.num_embeddings - 1, device=input.device)
        return super().forward(torch.bucketize(input, edges.to(input.dtype), right=True))


class Audience(nn.Module):
    """The mean embedding of users who clicked an item, without the one who is asked about.

    Args:
        users: Up to K users of every item, 0 where there are fewer; see `Catalogue.item_users`.
    """

    users: Tensor

    def __init__(self, users: Int[Tensor, "N K"]) -> None:
        super().__init__()
        self.register_buffer("users", users, persistent=False)

    def forward(
        self, items: Int[Tensor, " T"], user: Int[Tensor, "#T"], table: UserEmbedding
    ) -> Float[Tensor, "T D"]:
        """Return the means, zeros where nobody else clicked; the users learn nothing from them."""
        known = self.users[items.long()]  # T K
        counted = (known >= FIRST) & (known != user[:, None])
        with torch.no_grad():
            found = table.ids(known * counted)  # row 0 is zero
        return found.sum(1) / counted.sum(-1, keepdim=True).clamp_min(1)
