"""What the encoders of text alone share: tokens → mean-pooled states → normalised vectors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.encoders.base import Advance, EncoderIdentity, ItemContent
from models.encoders.batching import token_budget_batches
from models.encoders.weights import go_offline

Pool = Callable[[list[list[int]]], Tensor]
"""Token ids of some texts → the mean of each one's last states, float32 ``S H`` on the CPU."""


class TextTransformer:
    """A tokenizer and what turns its tokens into one vector a text.

    Args:
        tokenizer: Fast tokenizer of the ``transformers`` library.
        pool: The transformer and the pooling: `PaddedTransformer`, or one without padding.
        max_length: Tokens after which a text is cut, special tokens included.
        token_budget: Tokens of one batch, padding included.
    """

    def __init__(self, tokenizer: Any, pool: Pool, max_length: int, token_budget: int) -> None:
        self.tokenizer, self.pool = tokenizer, pool
        self.max_length, self.token_budget = max_length, token_budget

    @torch.inference_mode()
    def pooled(self, texts: Sequence[str], advance: Advance) -> Float[Tensor, "N H"]:
        """Return the mean of each text's token states, in float32."""
        ids: list[list[int]] = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_length, return_attention_mask=False
        )["input_ids"]
        batches = token_budget_batches([len(row) for row in ids], self.token_budget)
        parts = []
        for rows in batches:
            parts.append(self.pool([ids[row] for row in rows]))
            advance(len(rows))
        order = torch.cat([torch.from_numpy(rows) for rows in batches])
        return torch.cat(parts)[order.argsort()]


class TextEncoder:
    """Text → mean of the token states → a matrix, where there is one → L2 norm.

    Args:
        transformer: Texts to pooled states.
        identity: What decides the embeddings.
        dense: Matrix the pooled states are multiplied with; ``None`` leaves them.
    """

    uses_images: ClassVar[bool] = False

    def __init__(
        self,
        transformer: TextTransformer,
        identity: EncoderIdentity,
        dense: Float[Tensor, "D H"] | None = None,
    ) -> None:
        self._transformer, self._identity, self._dense = transformer, identity, dense

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the item's text; ``None`` where it has none."""
        return item.text or None

    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item."""
        pooled = self._transformer.pooled([item.text for item in items], advance)
        if self._dense is not None:
            pooled = pooled @ self._dense.T
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()


def load_tokenizer(folder: Path) -> Any:
    """Return the fast tokenizer in ``folder``, without a network."""
    go_offline()
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


class PaddedTransformer:
    """A transformer of the ``transformers`` library, its batches padded to the longest text.

    Args:
        model: Encoder that returns ``last_hidden_state``.
        padding: Token that fills up a row.
    """

    def __init__(self, model: Any, padding: int) -> None:
        self.model, self.padding = model, padding

    def __call__(self, ids: list[list[int]]) -> Float[Tensor, "S H"]:
        """Return the mean of each text's last states."""
        tokens, mask = self._pad(ids)
        states = self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        return mean_pool(states.float(), mask).cpu()

    def _pad(self, ids: list[list[int]]) -> tuple[Tensor, Bool[Tensor, "B T"]]:
        longest = max(len(row) for row in ids)
        tokens = torch.tensor([row + [self.padding] * (longest - len(row)) for row in ids])
        lengths = torch.tensor([len(row) for row in ids])
        mask = torch.arange(longest) < lengths[:, None]
        return tokens.to(self.model.device), mask.to(self.model.device)


def mean_pool(states: Float[Tensor, "B T H"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B H"]:
    """Return the mean state over the real tokens."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
