"""What each impression sees of its user's timeline: trigger, history and request."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int32

from models.data.example_settings import ExamplesConfig
from models.data.impressions import Impressions
from models.data.timelines import Timelines, history_starts
from models.data.triggers import find_triggers, first_of_requests


@dataclass(frozen=True)
class Windows:
    """One row an impression.

    Attributes:
        trigger_item: Item code; 0 where there is no trigger.
        history_start: First event of the history, an index into the timelines' events.
        history_end: One past its last event.
        first: The first row of the impression's request.
    """

    trigger_item: Int32[np.ndarray, " N"]
    history_start: Int[np.ndarray, " N"]
    history_end: Int[np.ndarray, " N"]
    first: Int[np.ndarray, " N"]


def find_windows(config: ExamplesConfig, timelines: Timelines, shown: Impressions) -> Windows:
    """Return the windows of impressions; their users count from the timelines' first one.

    Each user's impressions must be in order of time. No row depends on another user's.
    """
    end = timelines.first_at_or_after(shown.user, shown.time)
    triggers = find_triggers(
        config, timelines, shown.user, shown.time, ends=end, logged=shown.logged
    )
    start = history_starts(
        timelines,
        shown.user,
        shown.time,
        ends=end,
        history_days=config.history_days,
        history_length=config.history_length,
    )
    return Windows(
        triggers.item, start, end, first_of_requests(shown.user, triggers, shown.request)
    )
