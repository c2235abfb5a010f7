"""``intentflow schedule`` as a person uses it: what it does, what it says, what it refuses."""

import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.__main__ import main
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_processes import start_time
from steps.adapters.schedule_records import Row
from steps.adapters.schedule_state import add_run, changing, find, install, opened, runs
from tests.steps.adapters.scheduled import PIPELINE, write_schedule

INSTANT = datetime(2026, 1, 31, 3, tzinfo=UTC)
Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test alone."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def schedule(state: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs ``intentflow schedule …`` and returns its exit code and what it said."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["schedule", *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def hourly(state: Path) -> None:
    """A schedule as `install` leaves it, of which ZenML was not told."""
    put("hourly", interval="1h", window={}, zone="Europe/Berlin")


def put(name: str, **values: Any) -> None:
    config = ScheduleConfig.model_validate({"pipeline": PIPELINE, "config": "smoke"} | values)
    now = float(int(time.time()))
    with opened() as connection, changing(connection):
        install(
            connection, name, config.model_dump(mode="json"), source="here", backend="daemon",
            zenml_id=None, now=now, seen_until=now,
        )  # fmt: skip


def record(name: str, status: Any, **values: Any) -> None:
    """Let a run of ``name`` stand under `INSTANT`."""
    with opened() as connection, changing(connection):
        schedule = find(connection, name)
        assert schedule is not None
        given = {"config": schedule.config} | values
        add_run(connection, name, INSTANT.timestamp(), status, **given)


def rows(name: str) -> list[Row]:
    with opened() as connection:
        return runs(connection, schedule=name)


# ZenML 0.98 reads its own deprecated filters.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.slow
def test_an_instant_that_failed_is_run_again_by_hand_and_one_that_succeeded_is_not(
    schedule: Told, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.txt"
    path = write_schedule(tmp_path, "twice", {"file": str(lines)}, cron="0 3 * * *")
    code, said, _ = schedule("install", str(path))
    assert code == 0
    assert "twice: installed, next" in said
    assert "No daemon fires them" in said
    settings = (tmp_path / "twice_settings.yaml").read_text(encoding="utf-8")
    (tmp_path / "twice_settings.yaml").unlink()
    again = ("run-now", "twice", "--at", "2026-01-31T04:00+01:00", "--until", "2026-01-30")

    code, said, _ = schedule(*again)
    assert code == 1
    assert "twice-20260131T030000Z failed. It could not be started: There is no" in said
    assert "  log: " in said
    (tmp_path / "twice_settings.yaml").write_text(settings, encoding="utf-8")
    code, said, _ = schedule(*again)
    assert (code, said.splitlines()[-1]) == (
        0, "twice: twice-20260131T030000Z-2 succeeded. Asked for by hand."
    )  # fmt: skip
    code, said, _ = schedule("run-now", "twice", "--at", "2026-01-31T03:00")
    assert code == 0
    assert "twice-20260131T030000Z-2 succeeded already" in said
    until = "2026-01-30T00:00:00+00:00"
    assert lines.read_text(encoding="utf-8").splitlines() == [f"began {until}", f"ended {until}"]
    [row] = rows("twice")
    assert (row.status, row.attempt, row.manual) == ("succeeded", 2, True)
    _shown_and_removed(schedule)


def _shown_and_removed(schedule: Told) -> None:
    """What ``pause``, ``resume`` and ``remove`` do is seen in ZenML too."""
    from zenml.client import Client

    client = Client()
    assert client.get_pipeline_run("twice-20260131T030000Z-2").schedule is not None
    for action, active in (("pause", False), ("resume", True)):
        assert schedule(action, "twice")[0] == 0
        [entry] = client.list_schedules(name="equals:twice").items
        assert entry.active is active
        assert json.loads(schedule("list", "--json")[1])[0]["paused"] is not active
    code, said, _ = schedule("remove", "twice")
    assert (code, said) == (0, "twice: removed. Its history stays.\n")
    assert client.list_schedules(name="equals:twice").total == 0
    assert "No schedule is installed" in schedule("list")[1]
    assert "twice-20260131T030000Z-2" in schedule("history", "twice")[1]


def test_a_paused_schedule_fires_nothing_and_its_pause_is_not_made_up_for(
    schedule: Told, hourly: None
) -> None:
    assert schedule("pause", "hourly") == (0, "hourly: paused; what runs goes on.\n", "")
    assert "paused" in schedule("list")[1]
    with opened() as connection, changing(connection):
        connection.execute("UPDATE schedules SET seen_until = seen_until - 36000")
    assert schedule("run-now", "hourly", "--due") == (0, "hourly: nothing is due.\n", "")
    assert schedule("resume", "hourly") == (0, "hourly: fires again.\n", "")
    assert schedule("run-now", "hourly", "--due") == (0, "hourly: nothing is due.\n", "")
    assert rows("hourly") == []


def test_cancelling_ends_the_process_and_what_waits(schedule: Told, hourly: None) -> None:
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    record(
        "hourly", "running", attempt=1, token="t", run="hourly-1", outcome="failed",
        pid=process.pid, pid_started=start_time(process.pid), attempt_started_at=time.time(),
    )  # fmt: skip
    with opened() as connection, changing(connection):
        later = {"config": rows("hourly")[0].config}
        add_run(connection, "hourly", INSTANT.timestamp() + 1, "waiting", **later)
    code, said, _ = schedule("cancel", "hourly")
    process.wait(timeout=10)  # it is gone
    assert code == 0
    assert "hourly: hourly-1 failed. Cancelled by hand.\n  log: " in said
    assert [row.status for row in rows("hourly")] == ["skipped", "failed"]
    code, _, refused = schedule("cancel", "hourly")
    assert code == 2
    assert "No run of 'hourly' goes on." in refused


def test_the_list_and_the_history_are_read_by_people_and_by_programs(
    schedule: Told, hourly: None
) -> None:
    assert schedule("history") == (0, "Nothing was due yet.\n", "")
    record("hourly", "timed_out", attempt=3, run="hourly-1-3", reason="It took longer than 60 s.")
    put("nightly", cron="30 2 * * *", zone="Europe/Berlin", end="2026-01-01")
    said = schedule("list")[1]
    assert "every 1h" in said
    assert "timed out 2026-01-31 04:00:00 CET" in said
    [_, nightly] = [line for line in said.splitlines() if "daemon" in line][:2]
    assert "30 2 * * * Europe/Berlin  never" in nightly
    [listed, _] = json.loads(schedule("list", "--json")[1])
    assert (listed["name"], listed["open"], listed["backend"]) == ("hourly", 0, "daemon")
    assert listed["next"] > str(datetime.now(UTC))[:19]
    [_, said] = schedule("history", "hourly")[1].splitlines()
    assert said.startswith("2026-01-31 03:00:00  hourly    timed out  3")
    assert said.endswith("hourly-1-3  It took longer than 60 s.")
    [entry] = json.loads(schedule("history", "--json", "--limit", "1")[1])
    assert (entry["status"], entry["attempt"]) == ("timed_out", 3)
    assert schedule("history", "nightly") == (0, "Nothing was due yet.\n", "")


def test_a_schedule_is_checked_and_told_without_being_installed(
    schedule: Told, tmp_path: Path
) -> None:
    path = write_schedule(
        tmp_path, "spring", {"file": "x"}, cron="30 2 * * *", zone="Europe/Berlin",
        start="2031-03-29", end="2031-03-31T12:00",
    )  # fmt: skip
    code, said, _ = schedule("check", str(path))
    assert code == 0
    assert said.splitlines()[1:] == [
        "  2031-03-29 02:30:00 CET", "  2031-03-30 03:30:00 CEST", "  2031-03-31 02:30:00 CEST"
    ]  # fmt: skip
    assert "No schedule is installed" in schedule("list")[1]


@pytest.mark.parametrize("action", ["run-now", "pause", "resume", "remove", "cancel", "history"])
def test_an_unknown_schedule_is_named_with_those_that_are_installed(
    schedule: Told, hourly: None, action: str
) -> None:
    code, said, refused = schedule(action, "horuly")
    assert (code, said) == (2, "")
    assert refused.startswith("error: No schedule 'horuly' is installed.\n")
    assert "allowed: hourly\n" in refused
    assert "Traceback" not in refused


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("run-now", "hourly", "--at", "yesterday"), "'yesterday' is no time."),
        (("run-now", "hourly", "--at", "2026-02-30"), "'2026-02-30' is no time."),
        (("run-now", "hourly", "--at", "0001-01-01"), "'0001-01-01' is no time."),
        (("run-now", "hourly", "--at", "2999-01-01"), "'2999-01-01' is still to come."),
        (("run-now", "hourly", "--until", "9999-12-31T23:59"), "'9999-12-31T23:59' is no time."),
        (("run-now", "hourly", "--until", ""), "'' is no time."),
        (("run-now", "bare", "--until", "2026-01-31"), "gives its pipeline no window of data"),
        (("run-now", "hourly", "--due", "--until", "2026-01-31"), "runs on its own data"),
        (("run-now", "hourly", "--due", "--at", "2026-01-31"), "not allowed with argument"),
        (("history", "--limit", "0"), "'0' is no number from 1 on"),
        (("history", "--limit", "-3"), "'-3' is no number from 1 on"),
        (("history", "--limit", "ten"), "'ten' is no number from 1 on"),
        (("pause",), "the following arguments are required: NAME"),
        (("launch", "hourly"), "invalid choice: 'launch'"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_done(
    schedule: Told, hourly: None, arguments: tuple[str, ...], why: str
) -> None:
    put("bare", interval="1h")
    code, said, refused = schedule(*arguments)
    assert (code, said) == (2, "")
    assert why in refused
    assert "Traceback" not in refused
    assert rows("hourly") == rows("bare") == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"cron": "61 * * * *"}, "61"),
        ({"cron": "0 3 31 2 *"}, "cron"),
        ({"cron": "0 3 * * *", "interval": "1h"}, "either cron or interval"),
        ({}, "either cron or interval"),
        ({"interval": "soon"}, "a duration is seconds"),
        ({"interval": "1h", "zone": "Berlin"}, "a time zone is named like"),
        ({"interval": "1h", "retires": {"count": 1}}, "retires"),
        ({"interval": "1h", "pipeline": "tests.steps.adapters.ticking.tocking"}, "no pipeline"),
        ({"interval": "1h", "pipeline": "retrainig"}, "Did you mean 'retraining'?"),
        ({"interval": "1h", "config": "nowhere"}, "nowhere"),
        ({"interval": "1h", "window": {"parameters": {"days": 1}}}, "takes no 'window'"),
    ],
)
@pytest.mark.parametrize("action", ["check", "install"])
def test_a_schedule_that_could_not_run_is_neither_good_nor_installed(
    schedule: Told, tmp_path: Path, action: str, values: dict[str, Any], why: str
) -> None:
    path = write_schedule(tmp_path, "wrong", {"file": "x"}, **values)
    code, said, refused = schedule(action, str(path))
    assert (code, said) == (2, "")
    assert why in refused
    assert "Traceback" not in refused
    with opened() as connection:
        assert find(connection, "wrong") is None


def test_parameters_of_another_pipeline_are_refused(schedule: Told, tmp_path: Path) -> None:
    path = write_schedule(tmp_path, "wrong", {"seed": 1}, interval="1h")
    code, _, refused = schedule("check", str(path))
    assert code == 2
    assert "has no parameter 'seed'" in refused
    assert "file, until, sleep_s, fail" in refused
    path.rename(tmp_path / "Not A Name.yaml")
    assert "cannot be named 'Not A Name'" in schedule("check", str(tmp_path / "Not A Name.yaml"))[2]


def test_a_damaged_state_is_told_of_in_a_sentence(
    schedule: Told, hourly: None, state: Path
) -> None:
    (state / "schedules" / "schedules.sqlite").write_bytes(b"no database" * 100)
    for arguments in (("list",), ("history",), ("pause", "hourly")):
        code, said, refused = schedule(*arguments)
        assert (code, said) == (2, "")
        assert "state cannot be used: file is not a database" in refused
