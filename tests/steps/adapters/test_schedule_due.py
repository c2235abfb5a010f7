"""What becomes of each instant: once recorded, by the policies for misfire and overlap."""

import sqlite3
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from models.errors import ScheduleError
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_due import KEPT_MISSES, ask_for, claim_due, decide
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.schedule_records import Installed
from steps.adapters.schedule_state import (
    FILE,
    add_run,
    change_run,
    change_schedule,
    changing,
    find,
    install,
    opened,
    run_at,
    runs,
    schedules_folder,
    uninstall,
)

HOUR = 3600.0


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    with opened() as connection:
        yield connection


def config(**changed: Any) -> ScheduleConfig:
    values = {"pipeline": "retraining", "config": "smoke", "interval": "1h", "window": {}}
    return ScheduleConfig.model_validate(values | changed)


def put(state: sqlite3.Connection, name: str = "hourly", **changed: Any) -> Installed:
    with changing(state):
        install(
            state, name, config(**changed).model_dump(mode="json"), source="here",
            backend="daemon", zenml_id=None, now=0.0, seen_until=0.0,
        )  # fmt: skip
    found = find(state, name)
    assert found is not None
    return found


def decided(due: list[float], now: float, *, busy: bool = False, **changed: Any) -> list[str]:
    return [choice.status for choice in decide(config(**changed), due, now, busy=busy)]


LATE = [1 * HOUR, 2 * HOUR, 3 * HOUR]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("latest", ["missed", "missed", "waiting"]),
        ("skip", ["missed", "missed", "missed"]),
        ("all", ["waiting", "waiting", "waiting"]),
    ],
)
def test_an_absence_is_made_up_for_as_the_policy_says(policy: str, expected: list[str]) -> None:
    assert decided(LATE, 3.9 * HOUR, misfire={"policy": policy}) == expected


def test_only_so_many_are_made_up_for() -> None:
    misfire = {"policy": "all", "limit": 2}
    assert decided(LATE, 3.9 * HOUR, misfire=misfire) == ["missed", "waiting", "waiting"]


def test_the_latest_is_not_made_up_for_where_one_is_due_now() -> None:
    assert decided([*LATE, 4 * HOUR], 4 * HOUR + 1) == ["missed"] * 3 + ["waiting"]


def test_within_the_grace_nothing_is_missed() -> None:
    assert decided([HOUR], HOUR + 299, misfire={"policy": "skip"}) == ["waiting"]
    assert decided([HOUR], HOUR + 301, misfire={"policy": "skip"}) == ["missed"]


@pytest.mark.parametrize(
    ("overlap", "busy", "expected"),
    [
        ("skip", True, ["skipped", "skipped"]),
        ("skip", False, ["skipped", "waiting"]),
        ("wait", True, ["waiting", "waiting"]),
        ("replace", True, ["skipped", "waiting"]),
    ],
)
def test_runs_that_would_overlap_do_what_the_policy_says(
    overlap: str, busy: bool, expected: list[str]
) -> None:
    assert decided([HOUR, HOUR + 1], HOUR + 2, busy=busy, overlap=overlap) == expected


def test_a_very_long_absence_leaves_a_history_that_can_be_read() -> None:
    due = [float(second) for second in range(1000)]
    choices = decide(config(misfire={"policy": "skip"}), due, 1e6, busy=False)
    assert len(choices) == KEPT_MISSES
    assert f"{1000 - KEPT_MISSES} instants before it" in choices[0].reason


def test_an_instant_is_recorded_once_however_often_one_looks(state: sqlite3.Connection) -> None:
    put(state)
    assert [row.scheduled_at for row in claim_due(state, HOUR + 1)] == [HOUR]
    assert claim_due(state, HOUR + 2) == []
    row = run_at(state, "hourly", HOUR)
    assert row is not None
    assert (row.status, row.until) == ("waiting", "1970-01-01T01:00:00+00:00")


def claim_in_turn(now: float) -> None:
    with opened() as state:
        claim_due(state, now)


def test_processes_that_look_at_once_record_each_instant_once(state: sqlite3.Connection) -> None:
    put(state, interval="1s", misfire={"policy": "all", "limit": 1000, "grace": 0})
    context = get_context("fork")
    workers = [context.Process(target=claim_in_turn, args=(10.0 + n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    found = sorted(row.scheduled_at for row in runs(state))
    assert found == [float(second) for second in range(1, 16)]


def test_a_paused_schedule_fires_nothing_and_makes_up_for_nothing(
    state: sqlite3.Connection,
) -> None:
    put(state)
    change_schedule(state, "hourly", paused=1)
    assert claim_due(state, 5 * HOUR) == []
    change_schedule(state, "hourly", paused=0, seen_until=5 * HOUR + 1)
    assert [row.scheduled_at for row in claim_due(state, 6 * HOUR)] == [6 * HOUR]


def test_a_run_makes_way_for_the_next_where_the_schedule_says_so(state: sqlite3.Connection) -> None:
    put(state, overlap="replace")
    claim_due(state, HOUR)
    first = run_at(state, "hourly", HOUR)
    assert first is not None
    change_run(state, first, status="running", token="t")
    claim_due(state, 2 * HOUR)
    first = run_at(state, "hourly", HOUR)
    assert first is not None
    assert "took its place" in (first.cancel or "")
    assert [row.scheduled_at for row in runs(state, statuses=("waiting",))] == [2 * HOUR]


def test_removing_forgets_what_waits_and_keeps_the_history(state: sqlite3.Connection) -> None:
    put(state)
    claim_due(state, HOUR)
    uninstall(state, "hourly")
    assert find(state, "hourly") is None
    assert [entry.status for entry in read_schedule_history()] == ["skipped"]


def test_what_did_not_succeed_can_be_asked_for_again(state: sqlite3.Connection) -> None:
    schedule = put(state, misfire={"policy": "skip"})
    claim_due(state, 2 * HOUR)
    missed = run_at(state, "hourly", HOUR)
    assert missed is not None
    assert missed.status == "missed"
    again = ask_for(state, schedule, HOUR)
    assert (again.status, again.manual) == ("waiting", True)
    change_run(state, again, status="succeeded")
    assert ask_for(state, schedule, HOUR).status == "succeeded"
    other = ask_for(state, schedule, 1.5 * HOUR, until="1970-01-01T00:00:00+00:00")
    assert other.until == "1970-01-01T00:00:00+00:00"


def test_one_who_took_a_run_over_is_the_only_one_to_change_it(state: sqlite3.Connection) -> None:
    put(state)
    [row] = claim_due(state, HOUR)
    assert change_run(state, row, status="running", token="mine")
    assert not change_run(state, row, status="failed")
    assert not add_run(state, "hourly", HOUR, "waiting", config={})
    found = run_at(state, "hourly", HOUR)
    assert found is not None
    assert found.status == "running"


def test_the_history_tells_the_newest_first_and_nothing_before_the_first(
    state: sqlite3.Connection,
) -> None:
    assert read_schedule_history() == []
    put(state, misfire={"policy": "skip"})
    put(state, "other", misfire={"policy": "skip"})
    claim_due(state, 3.5 * HOUR)
    assert [entry.scheduled_at.hour for entry in read_schedule_history("hourly")] == [3, 2, 1]
    assert len(read_schedule_history(limit=4)) == 4


def test_without_any_schedule_the_history_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "none"))
    assert read_schedule_history() == []
    assert not (tmp_path / "none").exists()


def test_a_state_that_cannot_be_used_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path))
    schedules_folder().mkdir()
    path = schedules_folder() / FILE
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(ScheduleError, match="cannot be used") as caught:
        read_schedule_history()
    assert str(path) in str(caught.value)
    path.unlink()
    with opened() as state:
        state.execute("PRAGMA user_version = 99")
    with pytest.raises(ScheduleError, match="later version"), opened():
        pass
