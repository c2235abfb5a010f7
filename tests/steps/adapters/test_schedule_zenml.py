"""ZenML's schedules and the daemon's agree, whichever side makes, changes or deletes one."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_records import Installed, Row
from steps.adapters.schedule_state import (
    add_run,
    changing,
    find,
    install,
    opened,
    run_at,
    schedules,
)
from steps.adapters.schedule_zenml import (
    STACK,
    backend,
    ensure_schedule,
    entry_of,
    forget,
    set_active,
    still_wanted,
)
from tests.steps.adapters.scheduled import PIPELINE, active_stack

# ZenML 0.98 reads its own deprecated filters.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test alone."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def on_our_stack() -> Iterator[None]:
    """The stack that `install` registers is active."""
    forget(ensure_schedule("makes_the_stack", config(), None))
    with active_stack(STACK):
        yield


def config(**changed: Any) -> ScheduleConfig:
    values = {"pipeline": PIPELINE, "config": "smoke", "cron": "0 3 * * *"} | changed
    return ScheduleConfig.model_validate(values)


def hand_over(file: str, **times: Any) -> None:
    """Schedule the tests' pipeline as any user of ZenML would."""
    from zenml.config.schedule import Schedule

    from tests.steps.adapters.ticking import ticking

    ticking.with_options(schedule=Schedule(**times))(file=file)


def installed(name: str) -> Installed:
    with opened() as connection:
        found = find(connection, name)
    assert found is not None
    return found


def test_a_schedule_given_to_a_pipeline_is_the_daemons(on_our_stack: None, tmp_path: Path) -> None:
    from zenml.client import Client

    lines = tmp_path / "lines.txt"
    assert backend() == "daemon"
    hand_over(str(lines), name="By hand", cron_expression="5 4 * * 1", catchup=True)
    schedule = installed("by-hand")
    [entry] = Client().list_schedules(name="equals:By hand").items
    assert (schedule.zenml_id, schedule.backend) == (str(entry.id), "daemon")
    adopted = ScheduleConfig.model_validate(schedule.config)
    assert (adopted.cron, adopted.zone, adopted.source) == ("5 4 * * 1", "UTC", PIPELINE)
    assert adopted.misfire.policy == "all"
    settings = yaml.safe_load(Path(adopted.config).read_text(encoding="utf-8"))
    assert settings["parameters"]["file"] == str(lines)
    assert not lines.exists()  # nothing ran: it is not due

    start = datetime(2031, 1, 1, tzinfo=UTC)
    hand_over(str(lines), name="hourly", start_time=start, interval_second=timedelta(hours=1))
    adopted = ScheduleConfig.model_validate(installed("hourly").config)
    assert (adopted.interval, adopted.moment(start)) == (3600.0, start.timestamp())
    assert adopted.start is not None
    assert adopted.moment(adopted.start) == start.timestamp()


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"run_once_start_time": datetime(2031, 1, 1, tzinfo=UTC)}, "neither cron nor interval"),
        ({"cron_expression": "61 * * * *"}, "61"),
        ({"cron_expression": "0 3 * * *", "name": "TAKEN!"}, "so is another schedule"),
    ],
)
def test_a_schedule_the_daemon_cannot_fire_is_refused_and_gone(
    on_our_stack: None, times: dict[str, Any], why: str
) -> None:
    from zenml.client import Client

    put("taken", ensure_schedule("taken", config(), None))
    name = times.get("name", "wrong")
    with pytest.raises(Exception, match=why):
        hand_over("x", **{"name": name} | times)
    assert Client().list_schedules(name=f"equals:{name}").total == 0
    with opened() as connection:
        [kept] = schedules(connection)
    assert kept.name == "taken"
    forget(kept.zenml_id)


def put(name: str, zenml_id: str | None) -> None:
    with opened() as connection, changing(connection):
        install(
            connection, name, config().model_dump(mode="json"), source="here", backend="daemon",
            zenml_id=zenml_id, now=0.0, seen_until=0.0,
        )  # fmt: skip


def due(name: str, zenml_id: str | None, instant: float) -> Row:
    with opened() as connection, changing(connection):
        values = {"config": config().model_dump(mode="json"), "zenml_id": zenml_id}
        add_run(connection, name, instant, "waiting", **values)
        row = run_at(connection, name, instant)
    assert row is not None
    return row


def test_what_was_switched_off_in_zenml_alone_fires_no_more() -> None:
    from uuid import UUID

    from zenml.client import Client

    zenml_id = ensure_schedule("wanted", config(), None)
    put("wanted", zenml_id)
    row = due("wanted", zenml_id, 3600.0)
    assert still_wanted(row)
    assert still_wanted(due("unknown to ZenML", None, 3600.0))

    set_active(zenml_id, False)  # as a server would, which tells no daemon
    assert not still_wanted(row)
    assert installed("wanted").paused
    set_active(zenml_id, True)
    assert still_wanted(row)

    Client().zen_store.delete_schedule(UUID(zenml_id), soft=True)
    assert entry_of(zenml_id) is None
    assert not still_wanted(row)
    with opened() as connection:
        assert find(connection, "wanted") is None
        left = run_at(connection, "wanted", 3600.0)
    assert left is not None
    assert (left.status, left.reason) == ("skipped", "The schedule was removed.")


def test_installing_again_keeps_the_entry_in_zenml_unless_its_times_changed() -> None:
    first = ensure_schedule("again", config(), None)
    assert ensure_schedule("again", config(timeout="1h"), first) == first
    second = ensure_schedule("again", config(cron="0 4 * * *"), first)
    assert second != first
    assert entry_of(first) is None
    third = ensure_schedule("again", config(cron=None, interval="90m"), second)
    entry = entry_of(third)
    assert entry is not None
    assert (entry.cron_expression, entry.interval_second) == (None, timedelta(minutes=90))
    assert entry.start_time is not None
    assert abs(entry.start_time.replace(tzinfo=UTC).timestamp() - time.time()) < 3600
    forget(third)
