"""What a tokenizer is asked to do: which one, with what settings."""

from typing import Any

from pydantic import Field

from models.settings import Settings


class TokenizerConfig(Settings):
    """One file of ``configs/tokenizers/``.

    Attributes:
        tokenizer: A name of `models.tokenizers.registry.TOKENIZERS`.
        settings: The tokenizer's own settings, see its ``config_type``.
    """

    tokenizer: str
    settings: dict[str, Any] = Field(default={})
