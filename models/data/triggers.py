"""The trigger of every impression, and the request it belongs to."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Int64

from models.data.example_settings import ExamplesConfig
from models.data.impressions import NO_REQUEST
from models.data.timelines import Timelines
from models.errors import SchemaError


@dataclass(frozen=True)
class Triggers:
    """What the user clicked to come to each impression.

    Attributes:
        item: Item code; 0 where there is no trigger.
        moment: UTC seconds: of the trigger event for derived triggers, of the impression for the
            log's own, whose events need not be in the log. 0 where there is no trigger.
    """

    item: Int32[np.ndarray, " N"]
    moment: Int64[np.ndarray, " N"]

    @property
    def present(self) -> Bool[np.ndarray, " N"]:
        """Where there is a trigger."""
        return self.item > 0


def find_triggers(
    config: ExamplesConfig,
    timelines: Timelines,
    users: Int[np.ndarray, " N"],
    times: Int64[np.ndarray, " N"],
    *,
    ends: Int64[np.ndarray, " N"],
    logged: Int32[np.ndarray, " N"],
) -> Triggers:
    """Return the triggers under ``config.trigger``.

    ``log`` takes ``logged``, the log's own (0 = none). ``derived`` takes the user's most recent
    event within ``[time - trigger_window_s, time)`` (DAIAN 5.1).

    Args:
        config: Which triggers to take.
        timelines: The users' events.
        users: Whose each impression is.
        times: When it was, UTC seconds.
        ends: The user's first event at or after that time.
        logged: The log's own triggers.
    """
    if config.trigger == "none":
        return Triggers(np.zeros(len(users), np.int32), np.zeros(len(users), np.int64))
    if config.trigger == "log":
        return Triggers(logged, np.where(logged > 0, times, 0))
    return _derive(config, timelines, users, times, ends)


def require_triggers(config: ExamplesConfig, items: Int32[np.ndarray, " N"]) -> None:
    """Raise `SchemaError` where triggers are asked for and no impression has one."""
    if config.trigger == "none" or items.any():
        return
    derived = config.trigger == "derived"
    window = f" within {config.trigger_window_s} s" if derived else ""
    raise SchemaError(
        f"None of the {len(items)} impressions has a trigger{window}.",
        where="table behaviours" if derived else "table impressions, column trigger_item_id",
        allowed="at least one impression with a trigger",
        do="Set examples.trigger to 'derived' (from behaviours) or 'none', or widen "
        "examples.trigger_window_s.",
    )


def _derive(
    config: ExamplesConfig,
    timelines: Timelines,
    users: Int[np.ndarray, " N"],
    times: Int64[np.ndarray, " N"],
    ends: Int64[np.ndarray, " N"],
) -> Triggers:
    last = ends - 1
    exists = last >= timelines.offsets[users]
    last = np.where(exists, last, 0)
    if not len(timelines.items):
        return Triggers(np.zeros(len(users), np.int32), np.zeros(len(users), np.int64))
    moment = timelines.times[last] + np.int64(timelines.origin_s)
    exists &= moment >= times - config.trigger_window_s
    return Triggers(
        np.where(exists, timelines.items[last], np.int32(0)), np.where(exists, moment, 0)
    )


def first_of_requests(
    users: Int[np.ndarray, " N"], triggers: Triggers, logged: Int64[np.ndarray, " N"]
) -> Int64[np.ndarray, " N"]:
    """Return the first row of every impression's request.

    Impressions are of one request where user and logged request id are the same; without an id,
    where user, trigger item and its moment are; an impression with neither is its own request.
    """
    by_id = logged != NO_REQUEST
    by_trigger = ~by_id & triggers.present
    shared = np.flatnonzero(by_id | by_trigger)  # all others are alone
    keys = pl.DataFrame(
        {
            "user": users[shared],
            "logged": logged[shared],
            "item": np.where(by_trigger, triggers.item, 0)[shared],
            "moment": np.where(by_trigger, triggers.moment, 0)[shared],
            "row": shared,
        }
    )
    first = np.arange(len(users))
    first[shared] = keys.select(
        pl.col("row").min().over("user", "logged", "item", "moment")
    ).to_series()
    return first
