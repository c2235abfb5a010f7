"""The newest window of a growing log that is complete, and the tables as they stood at its end.

The watermark is the time before which no more events are waited for. A window ends at the last
boundary of its grid before the watermark, so that the same log gives the same window however often
it is asked. What comes later than that is late: it enters with the next window.
"""

import math
from datetime import UTC, datetime
from typing import Annotated

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from models.data.example_settings import ExamplesConfig
from models.data.splits import SplitConfig
from models.data.tables import TableScan
from models.settings import Settings

DAY_S, HOUR_S = 86_400, 3600
_MONDAY = 3  # 1970-01-01 was a Thursday: with it, weeks begin on a Monday


class WindowRules(Settings):
    """Where windows end, and how they are divided.

    Attributes:
        every_days: A window ends every so many days, at local midnight; 7 is every Monday.
        utc_offset_h: Hours by which local midnight is before that of UTC.
        lateness_h: Events are waited for this long.
        slack_h: The newest event of a whole day may lie this long before midnight.
        stray_rows: So many newest impressions may have a clock that is ahead.
        train_days: Days of a full training, before the validation rows.
        valid_days: Less than 1 takes the last hours before test.
        test_days: The newest days, on which challenger and champion are compared.
    """

    every_days: PositiveInt = 1
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)] = 0.0
    lateness_h: NonNegativeFloat = 0.0
    slack_h: NonNegativeFloat = 1.0
    stray_rows: NonNegativeInt = 0
    train_days: PositiveFloat = 28
    valid_days: PositiveFloat = 0.5
    test_days: PositiveInt = 1

    @property
    def days(self) -> float:
        """Days of a whole window."""
        return self.train_days + self.valid_days + self.test_days

    def split(self) -> SplitConfig:
        """Return how the window's impressions are divided."""
        return SplitConfig(
            kind="days",
            train_days=self.train_days,
            valid_days=self.valid_days,
            test_days=self.test_days,
            utc_offset_h=self.utc_offset_h,
        )

    def floor(self, time_s: float) -> int:
        """Return the last boundary of the grid at or before ``time_s``, UTC seconds."""
        offset = self.utc_offset_h * HOUR_S
        day = math.floor((time_s + offset) / DAY_S)
        return round((day - (day + _MONDAY) % self.every_days) * DAY_S - offset)


class Window(BaseModel):
    """A window of a log. Times are UTC seconds; a window holds what is before its end.

    Attributes:
        start_s: Older impressions are no part of it.
        end_s: Its end.
        watermark_s: Up to here the log was complete.
        impressions: Rows in it, repeated ones counted once.
        repeated: Rows that repeat an ``impression_id``.
        newer: Rows from its end on: they are left to the next window.
        late: Rows of the window before that came after it was closed.
        fresh: Rows no window before had: new and late ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: int
    end_s: int
    watermark_s: int
    impressions: int
    repeated: int = 0
    newer: int = 0
    late: int = 0
    fresh: int = 0

    @property
    def ends_at(self) -> str:
        """The end as a readable time."""
        return told_time(self.end_s)


def told_time(time_s: float) -> str:
    """Return UTC seconds as people write them."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def newest_window(scan: TableScan, rules: WindowRules, until_s: float | None) -> Window | None:
    """Return the newest complete window of a log; ``None`` where there is none yet.

    Args:
        scan: The log as it is now.
        rules: Where windows end.
        until_s: What is known of later is not looked at; ``None`` looks at all there is.
    """
    seen = scan.impressions
    if until_s is not None:
        seen = seen.filter(pl.col("timestamp") < until_s)
    newest = seen.select(pl.col("timestamp").top_k(rules.stray_rows + 1).min()).collect().item()
    if newest is None:
        return None
    complete = newest + rules.slack_h * HOUR_S
    watermark = min(complete, math.inf if until_s is None else until_s) - rules.lateness_h * HOUR_S
    end = rules.floor(watermark)
    start = round(end - rules.days * DAY_S)
    rows, repeated, newer = _counts(scan, start, end)
    if not rows:
        return None
    return Window(
        start_s=start,
        end_s=end,
        watermark_s=round(watermark),
        impressions=rows,
        repeated=repeated,
        newer=newer,
        fresh=rows,
    )


def after(window: Window, scan: TableScan, before: Window) -> Window:
    """Return ``window`` with its fresh and late rows counted against the one closed before it."""
    again, _, _ = _counts(scan, before.start_s, before.end_s)
    late = max(again - before.impressions, 0)  # a log may also forget its oldest rows
    new, _, _ = _counts(scan, max(before.end_s, window.start_s), window.end_s)
    return window.model_copy(update={"late": late, "fresh": min(new + late, window.impressions)})


def cut_tables(scan: TableScan, window: Window, examples: ExamplesConfig) -> TableScan:
    """Return the tables as of the window's end, every impression and event once.

    Items and users stay whole: an item is known before anybody saw it. Of impressions with one
    ``impression_id`` the clicked one counts, as a click may be logged after what was shown.

    Args:
        scan: The log.
        window: What to cut.
        examples: How far histories reach back.
    """
    time = pl.col("timestamp")
    shown = scan.impressions.filter((time >= window.start_s) & (time < window.end_s))
    if window.repeated:
        shown = _each_once(shown)
    events = scan.behaviours.filter(time < window.end_s)
    if examples.history_days is not None:
        events = events.filter(time >= window.start_s - examples.history_days * DAY_S)
    return TableScan(
        scan.spec,
        scan.items,
        scan.users,
        shown,
        _without_repeats(events),
        scan.dirty_rows,
        keep=scan,
    )


def _counts(scan: TableScan, start: float, end: float) -> tuple[int, int, int]:
    """Return the rows of a stretch counted once, those that repeat, and those after it."""
    time = pl.col("timestamp")
    inside = (time >= start) & (time < end)
    told = scan.impressions.select(
        rows=inside.sum(),
        ids=pl.col("impression_id").filter(inside).n_unique(),
        newer=(time >= end).sum(),
    ).collect(engine="streaming")
    rows, ids, newer = told.row(0)
    return ids, rows - ids, newer


def _each_once(shown: pl.LazyFrame) -> pl.LazyFrame:
    again = shown.select("impression_id").filter(pl.col("impression_id").is_duplicated())
    ids = again.unique().collect()["impression_id"].implode()
    repeated = pl.col("impression_id").is_in(ids)
    best = shown.filter(repeated).sort("label", descending=True, maintain_order=True)
    best = best.unique("impression_id", keep="first", maintain_order=True)
    return pl.concat([shown.filter(~repeated), best]).sort("timestamp", "impression_id")


def _without_repeats(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the events, each once; a log without repeats keeps its order and is not sorted."""
    keys = ["user_id", "item_id", "timestamp", "kind"]
    told = events.select(rows=pl.len(), distinct=pl.struct(keys).n_unique()).collect(
        engine="streaming"
    )
    rows, distinct = told.row(0)
    return events if rows == distinct else events.unique(keys, keep="first", maintain_order=True)
