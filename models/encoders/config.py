"""What an encoder is asked to do: which one, with what settings, on which text."""

from typing import Any

from pydantic import Field, PositiveInt

from models.settings import Settings


class EncoderConfig(Settings):
    """One file of ``configs/encoders/``.

    Attributes:
        encoder: A name of `models.encoders.registry.ENCODERS`.
        settings: The encoder's own settings, see its ``settings_type``.
        text: Template of an item's text, for example ``"{title} | {genres}"``; ``None`` joins the
            data set's own text columns in their order.
        separator: What stands between the segments of the template. A segment whose columns are
            all missing in an item is left out of that item's text.
        shard_items: Items after which the work done so far is put on disk, so that a killed run
            goes on from there.
    """

    encoder: str
    settings: dict[str, Any] = Field(default={})
    text: str | None = None
    separator: str = " | "
    shard_items: PositiveInt = 2048
