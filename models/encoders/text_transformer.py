"""Texts → mean-pooled token states, shared by the encoders of text alone."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.encoders.base import Advance
from models.encoders.batching import token_budget_batches


class TextTransformer:
    """A tokenizer and a transformer encoder of the ``transformers`` library.

    Args:
        tokenizer: Fast tokenizer.
        model: Encoder that returns ``last_hidden_state``.
        max_length: Tokens after which a text is cut, special tokens included.
        token_budget: Tokens of one batch, padding included.
    """

    def __init__(self, tokenizer: Any, model: Any, max_length: int, token_budget: int) -> None:
        self.tokenizer, self.model = tokenizer, model
        self.max_length, self.token_budget = max_length, token_budget

    @torch.inference_mode()
    def pooled(self, texts: Sequence[str], advance: Advance) -> Float[Tensor, "N H"]:
        """Return the mean of each text's token states, in float32."""
        ids: list[list[int]] = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_length, return_attention_mask=False
        )["input_ids"]
        lengths = [len(row) for row in ids]
        result = torch.empty(len(ids), self.model.config.hidden_size)
        for rows in token_budget_batches(lengths, self.token_budget):
            tokens, mask = self._pad([ids[row] for row in rows])
            states = self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
            result[torch.from_numpy(rows)] = mean_pool(states.float(), mask).cpu()
            advance(len(rows))
        return result

    def _pad(self, ids: list[list[int]]) -> tuple[Tensor, Bool[Tensor, "B T"]]:
        longest = max(len(row) for row in ids)
        padding = self.tokenizer.pad_token_id
        tokens = torch.tensor([row + [padding] * (longest - len(row)) for row in ids])
        lengths = torch.tensor([len(row) for row in ids])
        mask = torch.arange(longest) < lengths[:, None]
        return tokens.to(self.model.device), mask.to(self.model.device)


def mean_pool(states: Float[Tensor, "B T H"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B H"]:
    """Return the mean state over the real tokens."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
