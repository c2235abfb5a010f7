"""The trigger of every impression, and the request it belongs to."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int, Int32, Int64

from models.data.example_settings import ExamplesConfig
from models.data.request_index import numbered
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

    Raises:
        SchemaError: triggers are asked for, and no impression has one.
    """
    if config.trigger == "none":
        return Triggers(np.zeros(len(users), np.int32), np.zeros(len(users), np.int64))
    if config.trigger == "log":
        triggers = Triggers(logged, np.where(logged > 0, times, 0))
    else:
        triggers = _derive(config, timelines, users, times, ends)
    if not triggers.present.any():
        window = f" within {config.trigger_window_s} s" if config.trigger == "derived" else ""
        raise SchemaError(
            f"None of the {len(users)} impressions has a trigger{window}.",
            where="table impressions, column trigger_item_id"
            if config.trigger == "log"
            else "table behaviours",
            allowed="at least one impression with a trigger",
            do="Set examples.trigger to 'derived' (from behaviours) or 'none', or widen "
            "examples.trigger_window_s.",
        )
    return triggers


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


def number_requests(
    users: Int[np.ndarray, " N"], triggers: Triggers, request_ids: pl.Series
) -> Int32[np.ndarray, " N"]:
    """Return the request of every impression, numbered by first appearance.

    Impressions are of one request where user and logged request id are the same; without an id,
    where user, trigger item and its moment are; an impression with neither is its own request.
    """
    logged = request_ids.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy()
    by_trigger = (logged < 0) & triggers.present
    shared = np.flatnonzero((logged >= 0) | by_trigger)  # all others are alone
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
    return numbered(first)
