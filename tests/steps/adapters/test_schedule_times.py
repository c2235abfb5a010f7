"""When schedules are due, also on the days on which clocks are changed."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from models.errors import ConfigError
from models.settings import parse_settings
from steps.adapters.schedule_config import RetryPolicy, ScheduleConfig, seconds
from steps.adapters.schedule_times import instants, next_instant, stamp, window_end, zoned


def config(**changed: Any) -> ScheduleConfig:
    values = {"pipeline": "retraining", "config": "smoke"} | changed
    if "interval" not in changed:
        values.setdefault("cron", "0 3 * * *")
    return parse_settings(ScheduleConfig, values, "here")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def due(schedule: ScheduleConfig, after: str, until: str, anchor: float = 0.0) -> list[str]:
    found = instants(schedule, at(after), at(until), anchor)
    return [zoned(moment, schedule.zone).isoformat() for moment in found]


def test_a_daily_run_keeps_its_hour_when_clocks_change() -> None:
    daily = config(cron="0 3 * * *", zone="Europe/Berlin")
    assert due(daily, "2026-03-28T00:00", "2026-03-30T12:00") == [
        "2026-03-28T03:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T03:00:00+02:00",
    ]
    assert due(daily, "2026-10-24T00:00", "2026-10-26T12:00") == [
        "2026-10-24T03:00:00+02:00",
        "2026-10-25T03:00:00+01:00",
        "2026-10-26T03:00:00+01:00",
    ]


def test_an_hour_that_never_comes_is_made_up_for_an_hour_later() -> None:
    early = config(cron="30 2 * * *", zone="Europe/Berlin")
    assert due(early, "2026-03-28T12:00", "2026-03-30T12:00") == [
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_what_the_missing_hour_and_the_next_one_name_alike_is_due_once() -> None:
    both = config(cron="0 2,3 * * *", zone="Europe/Berlin")
    assert due(both, "2026-03-28T12:00", "2026-03-29T12:00") == ["2026-03-29T03:00:00+02:00"]


def test_an_hour_that_comes_twice_runs_a_daily_schedule_once() -> None:
    early = config(cron="30 2 * * *", zone="Europe/Berlin")
    assert due(early, "2026-10-24T12:00", "2026-10-26T12:00") == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 23 * 4), ("2026-10-25", 25 * 4), ("2026-05-05", 24 * 4)]
)
def test_what_comes_every_quarter_of_an_hour_never_pauses(day: str, quarters: int) -> None:
    often = config(cron="*/15 * * * *", zone="Europe/Berlin")
    begin = datetime.fromisoformat(f"{day}T00:00").astimezone(zoned(0, "Europe/Berlin").tzinfo)
    begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=begin.tzinfo)
    end = begin.replace(hour=23, minute=59)
    found = list(instants(often, begin.timestamp() - 1, end.timestamp(), 0.0))
    assert len(found) == quarters
    assert {later - earlier for earlier, later in pairwise(found)} == {900.0}


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "UTC"])
def test_a_year_of_days_is_a_year_of_runs_in_every_zone(zone: str) -> None:
    daily = config(cron="15 2 * * *", zone=zone)
    found = list(instants(daily, at("2026-01-01T00:00"), at("2027-01-01T00:00"), 0.0))
    assert len(found) == 365
    assert len({zoned(moment, zone).date() for moment in found}) == 365


def test_the_first_instant_after_a_moment_does_not_depend_on_where_one_starts_to_look() -> None:
    often = config(cron="10,40 * * * *", zone="Europe/Berlin")
    all_at_once = list(instants(often, at("2026-10-24T20:00"), at("2026-10-25T06:00"), 0.0))
    for earlier, later in pairwise(all_at_once):
        assert next_instant(often, earlier, 0.0) == later
        assert next_instant(often, later - 1, 0.0) == later


def test_an_interval_counts_from_its_start_and_else_from_its_installation() -> None:
    timed = config(interval="6h", start="2026-01-01T01:00")
    assert due(timed, "2025-12-30T00:00", "2026-01-01T14:00") == [
        "2026-01-01T01:00:00+00:00", "2026-01-01T07:00:00+00:00", "2026-01-01T13:00:00+00:00",
    ]  # fmt: skip
    untimed = config(interval="90m")
    assert due(untimed, "2026-01-01T00:00", "2026-01-01T04:00", at("2026-01-01T00:10")) == [
        "2026-01-01T00:10:00+00:00", "2026-01-01T01:40:00+00:00", "2026-01-01T03:10:00+00:00",
    ]  # fmt: skip


def test_nothing_is_due_before_the_start_or_after_the_end() -> None:
    bounded = config(start="2026-05-02", end="2026-05-04T03:00", zone="Asia/Tokyo")
    assert due(bounded, "2026-04-01T00:00", "2026-06-01T00:00") == [
        "2026-05-02T03:00:00+09:00", "2026-05-03T03:00:00+09:00", "2026-05-04T03:00:00+09:00",
    ]  # fmt: skip
    assert next_instant(bounded, at("2026-05-05T00:00"), 0.0) is None


def test_the_window_ends_where_the_rule_says_on_the_schedules_clock() -> None:
    instant = at("2026-07-01T01:30")  # 03:30 in Berlin
    zone = {"zone": "Europe/Berlin"}
    assert window_end(config(**zone), instant) is None
    assert window_end(config(window={}, **zone), instant) == "2026-07-01T03:30:00+02:00"
    day = config(window={"floor": "day"}, **zone)
    assert window_end(day, instant) == "2026-07-01T00:00:00+02:00"
    late = config(window={"floor": "day", "lag": "4h"}, **zone)
    assert window_end(late, instant) == "2026-06-30T00:00:00+02:00"
    hour = config(window={"floor": "hour"}, **zone)
    assert window_end(hour, instant) == "2026-07-01T03:00:00+02:00"
    winter = at("2026-10-25T10:00")  # midnight was still summer time
    assert window_end(day, winter) == "2026-10-25T00:00:00+02:00"


def test_waits_between_attempts_grow_up_to_the_ceiling() -> None:
    policy = RetryPolicy.model_validate({"count": 9, "first": "1m", "factor": 3, "ceiling": "10m"})
    assert [policy.wait_s(attempt) for attempt in (1, 2, 3, 4, 99)] == [60, 180, 540, 600, 600]


@pytest.mark.parametrize(
    ("text", "expected"), [("90", None), (90, 90), ("1h30m", 5400), ("2 d", 172_800), ("0.5s", 0.5)]
)
def test_durations_read_as_people_write_them(text: object, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="1h30m"):
            seconds(text)
    else:
        assert seconds(text) == expected


def test_names_of_instants_sort_as_they_come() -> None:
    assert stamp(at("2026-01-31T03:00")) == "20260131T030000Z"
    assert stamp(at("2026-01-31T03:00") + 0.25) == "20260131T030000.250000Z"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cron": "0 3 * *"}, "cron has 5 fields, minute, hour, .*; here: 4"),
        ({"cron": "@daily"}, "write the five fields"),
        ({"cron": "61 3 * * *"}, "out of range"),
        ({"cron": "0 3 31 2 *"}, "no such day ever comes"),
        ({"cron": "R 3 * * *"}, "draw a time at random"),
        ({"cron": "0 3 * * *", "interval": "1h"}, "either cron or interval"),
        ({"cron": None}, "either cron or interval"),
        ({"interval": "often"}, "a number and a unit"),
        ({"interval": "0s"}, "greater than or equal to 1"),
        ({"zone": "Berlin"}, "UTC or Europe/Berlin"),
        ({"zone": "../etc/passwd"}, "UTC or Europe/Berlin"),
        ({"start": "2026-05-02", "end": "2026-05-01"}, "end must come after start"),
        ({"overlap": "kill"}, "'skip', 'wait' or 'replace'"),
        ({"misfire": {"polcy": "all"}}, "misfire.polcy"),
        ({"retries": {"count": -1}}, "retries.count"),
        ({"retries": {"factor": 0.5}}, "retries.factor"),
        ({"timeout": "0s"}, "timeout"),
        ({"window": {"floor": "week"}}, "'none', 'hour' or 'day'"),
        ({"pipeline": "retraining; rm -rf /"}, "a name such as retraining"),
        ({"notify": {"kind": "webhook"}}, "notify.*needs its address"),
        ({"notfy": []}, "did you mean 'notify'"),
    ],
)
def test_what_a_schedule_cannot_mean_is_refused_by_name(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config(**changed)


def test_one_hook_needs_no_list() -> None:
    assert config(notify={"on": ["failed"]}).notify == config(notify=[{"on": ["failed"]}]).notify
