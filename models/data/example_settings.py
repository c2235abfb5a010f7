"""The settings of an example store."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from models.data.negatives import NegativesConfig
from models.data.splits import SplitConfig
from models.settings import Settings


class ExamplesConfig(Settings):
    """How impressions become examples.

    Attributes:
        history_days: A history reaches back this many days; null = as far as the log does.
        history_length: A history holds at most this many events, the newest.
        trigger: ``log``: the impression's own trigger; ``derived``: the user's most recent event
            strictly before the impression, within ``trigger_window_s`` (DAIAN 5.1); ``none``.
        trigger_window_s: Seconds a derived trigger may lie before the impression.
        missing_trigger: ``drop`` impressions without a trigger, or keep them, ``mask`` ed (code 0).
        split: How the impressions are divided into train, valid and test.
        negatives: How negatives are drawn; null where the log has negatives.
        numeric_bins: Quantile bins per numeric item column.
        min_count: A categorical value seen fewer times in train is unknown (code 1).
    """

    history_days: PositiveFloat | None = 14
    history_length: PositiveInt = 50
    trigger: Literal["log", "derived", "none"] = "log"
    trigger_window_s: PositiveInt = 14400
    missing_trigger: Literal["drop", "mask"] = "mask"
    split: SplitConfig = SplitConfig()
    negatives: NegativesConfig | None = None
    numeric_bins: PositiveInt = 10
    min_count: PositiveInt = 1
