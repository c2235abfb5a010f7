"""Windows of a growing log: complete, the same however often asked, each row counted once."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.schema import DatasetSpec
from models.data.tables import Tables, TableScan
from models.data.watermark import (
    DAY_S,
    HOUR_S,
    Window,
    WindowRules,
    after,
    cut_tables,
    newest_window,
)

MONDAY = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
RULES = WindowRules(train_days=2, valid_days=1, test_days=1)


def log(
    *times_h: float, ids: list[int] | None = None, labels: list[int] | None = None
) -> TableScan:
    """Impressions at these hours from Monday 2024-01-01, each also an event."""
    time = [round(MONDAY + hour * HOUR_S) for hour in times_h]
    num = len(time)
    return Tables(
        DatasetSpec(name="log", item_text=("title",)),
        items=pl.DataFrame({"item_id": [1, 2], "title": ["a", "b"]}),
        users=pl.DataFrame({"user_id": [1]}),
        impressions=pl.DataFrame(
            {
                "impression_id": ids or list(range(num)),
                "request_id": pl.Series([None] * num, dtype=pl.Int64),
                "user_id": [1] * num,
                "item_id": [1] * num,
                "timestamp": time,
                "label": pl.Series(labels or [0] * num, dtype=pl.Int8),
                "trigger_item_id": pl.Series([None] * num, dtype=pl.Int64),
            }
        ),
        behaviours=pl.DataFrame(
            {"user_id": [1] * num, "item_id": [2] * num, "timestamp": time, "kind": ["click"] * num}
        ),
    ).scan()


def end(scan: TableScan, rules: WindowRules, until_h: float | None = None) -> float | None:
    """The end of the newest window, in days from Monday."""
    until = None if until_h is None else MONDAY + until_h * HOUR_S
    window = newest_window(scan, rules, until)
    return None if window is None else (window.end_s - MONDAY) / DAY_S


def test_a_day_counts_as_whole_when_its_newest_event_is_close_to_midnight() -> None:
    assert end(log(1, 30, 47.5), RULES) == 2
    assert end(log(1, 30, 46.5), RULES) == 1
    assert end(log(1, 30, 46.5), RULES.model_copy(update={"slack_h": 2})) == 2


def test_lateness_holds_the_watermark_back() -> None:
    late = RULES.model_copy(update={"lateness_h": 3})
    assert end(log(1, 30, 49), late) == 1
    assert end(log(1, 30, 51), late) == 2


def test_nothing_after_the_scheduled_instant_is_looked_at() -> None:
    scan = log(1, 30, 49, 73, 100)
    assert end(scan, RULES, until_h=50) == 2
    assert end(scan, RULES, until_h=73.5) == 3
    assert end(scan, RULES) == 4


def test_every_instant_of_a_day_gives_the_same_window() -> None:
    scan = log(1, 30, 47.8, 60, 71)
    windows = {newest_window(scan, RULES, MONDAY + hour * HOUR_S) for hour in (48, 50, 60.5, 70.9)}
    assert len({(window.start_s, window.end_s) for window in windows if window}) == 1


def test_a_clock_that_is_ahead_moves_no_watermark_where_strays_are_expected() -> None:
    scan = log(1, 30, 47.8, 24 * 4000)
    assert end(scan, RULES) is None  # the days before it are empty
    assert end(scan, RULES.model_copy(update={"stray_rows": 1})) == 2


def test_weeks_end_on_mondays_and_days_at_local_midnight() -> None:
    weekly = RULES.model_copy(update={"every_days": 7, "train_days": 20.0})
    assert end(log(1, 24 * 9), weekly) == 7
    tokyo = RULES.model_copy(update={"utc_offset_h": 9})
    assert end(log(1, 30, 40), tokyo) == pytest.approx(2 - 9 / 24)


def test_an_empty_log_has_no_window() -> None:
    assert newest_window(log(), RULES, None) is None
    assert newest_window(log(30), RULES, MONDAY + HOUR_S) is None


def test_late_rows_count_as_fresh_for_the_next_window() -> None:
    before = newest_window(log(1, 30, 47.9), RULES, None)
    assert before is not None
    now = log(1, 30, 40, 47.9, 60, 71.9)
    window = newest_window(now, RULES, None)
    assert window is not None
    counted = after(window, now, before)
    assert (counted.late, counted.fresh) == (1, 3)
    assert after(window, log(30, 47.9, 60, 71.9), before).late == 0  # the oldest row was deleted


def test_a_repeated_impression_counts_once_and_as_clicked_where_one_of_them_is() -> None:
    scan = log(1, 25, 30, 30, 47.9, ids=[1, 2, 3, 3, 4], labels=[0, 0, 0, 1, 0])
    window = newest_window(scan, RULES, None)
    assert window is not None
    assert (window.impressions, window.repeated) == (4, 1)
    cut = cut_tables(scan, window, ExamplesConfig()).collect()
    assert cut.impressions["impression_id"].to_list() == [1, 2, 3, 4]
    assert cut.impressions["label"].to_list() == [0, 0, 1, 0]
    assert cut.behaviours.height == 4  # the event of the repeated row came twice


def test_a_window_holds_nothing_from_after_its_end_and_histories_that_reach_back() -> None:
    scan = log(1, 30, 47.9, 49, 50)
    window = newest_window(scan, RULES, MONDAY + 48 * HOUR_S)
    assert window is not None
    cut = cut_tables(scan, window, ExamplesConfig(history_days=0.25))
    assert cut.collect().impressions.height == 3
    assert cut.collect().behaviours.height == 3
    late_start = window.model_copy(update={"start_s": MONDAY + 46 * HOUR_S})
    short = cut_tables(scan, late_start, ExamplesConfig(history_days=0.25)).collect()
    assert (short.impressions.height, short.behaviours.height) == (1, 1)
    whole = cut_tables(scan, late_start, ExamplesConfig(history_days=None)).collect()
    assert whole.behaviours.height == 3


def test_rows_in_another_order_give_the_same_window() -> None:
    scan = log(1, 25, 30, 47.9)
    other = replace(scan, impressions=scan.impressions.reverse())
    assert newest_window(scan, RULES, None) == newest_window(other, RULES, None)


def test_times_are_told_as_people_write_them() -> None:
    window = Window(start_s=MONDAY, end_s=MONDAY + DAY_S, watermark_s=MONDAY, impressions=1)
    assert window.ends_at == "2024-01-02 00:00 UTC"
