"""The daemon really fires and is really killed, and the runs are exactly those that should be."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.errors import ScheduleError
from pipelines.__main__ import main
from steps.adapters.notify import FILE
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_daemon import daemon_pid, stop_daemon
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.schedule_processes import alive, end, start_time
from steps.adapters.schedule_records import Row
from steps.adapters.schedule_runs import DIED, Supervisor
from steps.adapters.schedule_state import (
    add_run,
    change_run,
    change_schedule,
    changing,
    find,
    opened,
    run_at,
    runs,
    schedules,
)
from tests.steps.adapters.scheduled import write_schedule

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 300.0
DAEMON = [sys.executable, "-m", "pipelines", "schedule", "daemon"]
DAEMONS: list[subprocess.Popen[bytes]] = []  # those a test started


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of this test alone; what was started in it ends with the test."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    yield tmp_path / "state"
    with suppress(ScheduleError):
        stop_daemon(patience_s=5)
    for daemon in DAEMONS:
        daemon.kill()
        daemon.wait()
    DAEMONS.clear()
    if (tmp_path / "state" / "schedules").is_dir():
        with opened() as connection:
            for row in runs(connection, statuses=("running",)):
                end(row.pid, row.pid_started)


def wait_for(what: str, test: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := test()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(0.1)
    return found


def row_of(schedule: str, index: int = 0) -> Row | None:
    """The run of a schedule's instant ``index``, counted from the first."""
    with opened() as connection:
        found = sorted(runs(connection, schedule=schedule), key=lambda row: row.scheduled_at)
    return found[index] if len(found) > index else None


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def start_daemon(log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [*DAEMON, "--unsupervised"], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    DAEMONS.append(daemon)
    wait_for("the daemon", lambda: daemon_pid() == daemon.pid or daemon.poll() is not None)
    assert daemon.poll() is None, log.read_text(encoding="utf-8")
    return daemon


# ZenML 0.98 reads its own deprecated filters.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.slow
def test_killed_between_two_instants_the_daemon_leaves_exactly_the_runs_that_should_be(
    tmp_path: Path, state: Path
) -> None:
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    lines = tmp_path / "lines.txt"
    path = write_schedule(
        tmp_path, "twice", {"file": str(lines), "sleep_s": 3.0}, interval="3s", overlap="wait",
        misfire={"policy": "all"}, retries={"count": 1, "first": "0s"}, notify={"kind": "file"},
    )  # fmt: skip
    assert main(["schedule", "install", str(path)]) == 0
    instants = _due_twice("twice")

    first = start_daemon(tmp_path / "daemon.log")
    wait_for("the first run to begin", lambda: lines_of(lines))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    orphan = row_of("twice")
    assert orphan is not None
    assert alive(orphan.pid, orphan.pid_started)

    second = start_daemon(tmp_path / "daemon.log")
    third = subprocess.run(DAEMON, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (third.returncode, third.stdout) == (2, "")
    assert f"process {second.pid}" in third.stderr
    wait_for("the second run to begin", lambda: len(lines_of(lines)) >= 3)
    running = row_of("twice", 1)
    assert running is not None
    assert running.pid is not None
    os.killpg(running.pid, signal.SIGKILL)  # now the run dies, not the daemon
    wait_for("both runs to end", lambda: _over("twice") == 2)
    wait_for("ZenML to know", lambda: _in_zenml("twice-", ExecutionStatus.RUNNING) == [])

    history = read_schedule_history("twice")
    assert [(entry.scheduled_at, entry.status, entry.attempt) for entry in history] == [
        (instants[1], "succeeded", 2),
        (instants[0], "succeeded", 1),
    ]
    due = [moment.isoformat() for moment in instants]
    assert lines_of(lines) == [
        f"began {due[0]}", f"ended {due[0]}",
        f"began {due[1]}", f"began {due[1]}", f"ended {due[1]}",
    ]  # fmt: skip
    names = [f"twice-{moment:%Y%m%dT%H%M%SZ}" for moment in instants]  # none of another test's
    made = [Client().get_pipeline_run(run_id) for name in names for run_id in _in_zenml(name)]
    assert len(made) == 3
    assert {str(run.schedule.id) for run in made if run.schedule} == {_zenml_id("twice")}
    assert sorted(run.status.value for run in made) == ["completed", "completed", "failed"]
    told = [json.loads(line) for line in (state / FILE).read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in told] == ["succeeded", "succeeded"]
    second.terminate()
    assert second.wait(timeout=60) == 0
    _zenml_changes_reach_the_daemon("twice")


def _due_twice(name: str) -> list[datetime]:
    """Let a schedule be due in two seconds and once more, however long its installation took."""
    begin = int(time.time()) + 2
    instants = [datetime.fromtimestamp(begin + shift, UTC) for shift in (0, 3)]
    bounds = dict(zip(("start", "end"), (moment.isoformat() for moment in instants), strict=True))
    with opened() as connection, changing(connection):
        [schedule] = schedules(connection)
        change_schedule(connection, name, config=schedule.config | bounds, seen_until=begin - 1)
    return instants


def _over(schedule: str) -> int:
    with opened() as connection:
        found = runs(connection, schedule=schedule)
    return sum(row.status not in {"waiting", "running"} for row in found)


def _in_zenml(prefix: str, status: Any = None) -> list[Any]:
    from zenml.client import Client

    given = {} if status is None else {"status": status.value}
    found = Client().list_pipeline_runs(name=f"startswith:{prefix}", **given)
    return [run.id for run in found.items]


def _zenml_id(schedule: str) -> str | None:
    with opened() as connection:
        found = find(connection, schedule)
    return found.zenml_id if found else None


def _zenml_changes_reach_the_daemon(name: str) -> None:
    """What ``zenml pipeline schedule deactivate``, ``activate`` and ``delete`` call."""
    from zenml.client import Client

    client = Client()
    assert [entry.name for entry in client.list_schedules(name=name).items] == [name]
    for active in (False, True):
        client.update_schedule(name, active=active)
        with opened() as connection:
            [schedule] = schedules(connection)
        assert schedule.paused is not active
    client.update_schedule(name, cron_expression="5 4 * * *")
    with opened() as connection:
        [schedule] = schedules(connection)
    assert ScheduleConfig.model_validate(schedule.config).cron == "5 4 * * *"
    client.delete_schedule(name)
    with opened() as connection:
        assert schedules(connection) == []
    assert len(read_schedule_history(name)) == 2


@pytest.mark.slow
def test_a_keeper_starts_a_daemon_that_was_killed_and_goes_with_it_when_asked(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run([*DAEMON, "--background"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    first = daemon_pid()
    assert first is not None
    keeper = psutil.Process(first).parent()
    assert keeper is not None
    os.kill(first, signal.SIGKILL)
    second = wait_for(
        "another daemon", lambda: daemon_pid() not in {None, 0, first} and daemon_pid()
    )
    assert psutil.Process(second).ppid() == keeper.pid
    assert main(["schedule", "daemon", "--stop"]) == 0
    assert daemon_pid() is None
    wait_for("the keeper to end", lambda: not keeper.is_running() or keeper.status() == "zombie")
    assert "died" in (state / "schedules" / "daemon.log").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["schedule", "daemon", "--stop"]) == 0
    assert capsys.readouterr().out == "No daemon serves.\n"


@pytest.mark.slow
def test_a_daemon_whose_keeper_is_killed_ends_so_that_another_may_serve(
    tmp_path: Path, state: Path
) -> None:
    keeper = subprocess.Popen(DAEMON, cwd=ROOT, stdout=subprocess.DEVNULL)
    served = wait_for("the daemon", daemon_pid)
    began = start_time(served)
    os.kill(keeper.pid, signal.SIGKILL)
    keeper.wait()
    wait_for("its end", lambda: daemon_pid() is None)
    wait_for("its process to end", lambda: not alive(served, began))


def open_run(**values: Any) -> Row:
    """A run that goes on, as an earlier daemon noted it."""
    config = {
        "pipeline": "ticking",
        "config": "nowhere",
        "interval": "1h",
        "notify": {"kind": "file"},
    }
    config |= values.pop("config", {})
    settings = ScheduleConfig.model_validate(config).model_dump(mode="json")
    with opened() as connection, changing(connection):
        add_run(
            connection, "hourly", 3600.0, "running",
            **{"config": settings, "attempt": 1, "token": "t", "run": "hourly-1",
               "attempt_started_at": time.time()} | values,
        )  # fmt: skip
    row = stored()
    assert row is not None
    return row


def stored() -> Row:
    with opened() as connection:
        row = run_at(connection, "hourly", 3600.0)
    assert row is not None
    return row


def family(tmp_path: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A process that ignores SIGTERM, in a group of its own, and its child in another group."""
    note = tmp_path / "child.pid"
    program = f"trap '' TERM; setsid sleep 300 & echo $! > {note}; while :; do sleep 0.1; done"
    parent = subprocess.Popen(["bash", "-c", program], start_new_session=True)
    child = wait_for(
        "the child", lambda: note.exists() and note.read_text(encoding="utf-8").strip()
    )
    return parent, int(child)


@pytest.mark.slow
def test_an_attempt_that_takes_too_long_is_ended_with_all_it_started(
    tmp_path: Path, state: Path
) -> None:
    parent, child = family(tmp_path)
    open_run(
        pid=parent.pid, pid_started=start_time(parent.pid), attempt_started_at=time.time() - 61,
        config={"timeout": 60}, outcome="failed",
    )  # fmt: skip
    with opened() as connection:
        Supervisor().look_after(connection)
    parent.wait(timeout=10)
    assert not psutil.pid_exists(parent.pid)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    row = stored()
    assert (row.status, row.reason) == ("timed_out", "It took longer than 60 s.")
    assert json.loads((state / FILE).read_text(encoding="utf-8"))["event"] == "timed_out"


def test_an_orphan_is_waited_for_and_its_word_is_taken(tmp_path: Path, state: Path) -> None:
    orphan = subprocess.Popen(["sleep", "300"])
    open_run(pid=orphan.pid, pid_started=start_time(orphan.pid))
    supervisor = Supervisor()
    with opened() as connection:
        assert supervisor.look_after(connection)
        change_run(connection, stored(), outcome="succeeded")
        orphan.kill()
        orphan.wait()
        supervisor.look_after(connection)
        assert not supervisor.look_after(connection)
    assert (stored().status, stored().attempt) == ("succeeded", 1)


def test_a_number_that_another_process_bears_by_now_is_not_the_run(state: Path) -> None:
    me = os.getpid()
    assert alive(me, start_time(me))
    assert not alive(me, start_time(me) - 60)
    end(me, start_time(me) - 60)  # would end this test
    assert not alive(None, None)


def test_a_run_that_cannot_start_is_tried_as_often_as_the_schedule_says(state: Path) -> None:
    open_run(token=None, attempt=1, config={"retries": {"count": 2, "first": 10, "factor": 2}})
    now = [1000.0]
    supervisor = Supervisor(clock=lambda: now[0])
    seen = []
    for _ in range(8):
        with opened() as connection:
            supervisor.look_after(connection)
        seen.append((now[0], stored().attempt, stored().retry_at, stored().status))
        now[0] += 10
    assert stored().status == "failed"
    assert "no pipelines configuration 'nowhere'" in stored().reason
    assert next(entry[2] for entry in seen if entry[3] == "running") == 1010.0
    assert stored().attempt == 3


def test_a_process_that_comes_too_late_does_nothing(tmp_path: Path, state: Path) -> None:
    open_run(token="new")
    late = subprocess.run(
        [sys.executable, "-m", "steps.adapters.schedule_child", "old"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert late.returncode == 75
    assert "taken over" in late.stderr
    assert stored().pid is None


def test_a_run_whose_process_died_says_so(state: Path) -> None:
    open_run(pid=2**22 - 3, pid_started=1.0, run=None)
    with opened() as connection:
        Supervisor().look_after(connection)
    assert (stored().status, stored().reason) == ("failed", DIED)
