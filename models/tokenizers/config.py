"""What a tokenizer is asked to do: which one, with what settings."""

from typing import Any

from pydantic import Field

from models.settings import Settings
from models.tokenizers.gate import TokenizerGate


class TokenizerConfig(Settings):
    """One file of ``configs/tokenizers/``.

    Attributes:
        tokenizer: A name of `models.tokenizers.registry.TOKENIZERS`.
        settings: The tokenizer's own settings, see its ``settings_type``.
        gate: When it may replace the tokenizer whose semantic IDs are in use.
    """

    tokenizer: str
    settings: dict[str, Any] = Field(default={})
    gate: TokenizerGate = TokenizerGate()
