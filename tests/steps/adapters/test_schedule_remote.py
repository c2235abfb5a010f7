"""A stack whose orchestrator keeps schedules really keeps ours, by ZenML's own `Schedule`."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from models.errors import ScheduleError
from pipelines.__main__ import main
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_history import read_schedule_history
from steps.adapters.schedule_remote import (
    check_remote,
    forget_remote,
    left_to_the_orchestrator,
    replace_remote,
    set_active_remote,
    submit,
)
from steps.adapters.schedule_state import find, install, opened, schedules
from steps.adapters.schedule_zenml import entry_of
from tests.steps.adapters.scheduled import PIPELINE, active_stack, write_schedule

# ZenML 0.98 reads its own deprecated filters.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
HERE = "tests.steps.adapters.remote_flavor"
StackOn = Callable[..., None]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test alone."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def stack_on(state: Path) -> Iterator[StackOn]:
    """Registers a stack with an orchestrator of the tests, active until the end of the test."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client, kind = Client(), StackComponentType.ORCHESTRATOR

    def activate(flavor: str, folder: Path, **values: Any) -> None:
        source = {"tests_folder": "FolderFlavor", "tests_deaf": "DeafFlavor"}[flavor]
        if not client.list_flavors(name=flavor, type=kind).total:
            client.create_flavor(f"{HERE}.{source}", kind)
        folder.mkdir()
        name = f"remote-{folder.parent.name}-{folder.name}"
        ours = client.create_stack_component(name, flavor, kind, {"folder": str(folder)} | values)
        components: dict[Any, Any] = {
            other: [component.id for component in found]
            for other, found in client.active_stack_model.components.items()
            if other != kind
        }
        client.create_stack(name, components | {kind: ours.id})
        active.enter_context(active_stack(name))

    with ExitStack() as active:
        yield activate


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["schedule", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def config(**changed: Any) -> ScheduleConfig:
    values = {"pipeline": PIPELINE, "config": "smoke", "cron": "0 3 * * *"} | changed
    return ScheduleConfig.model_validate(values)


@pytest.mark.slow
def test_the_orchestrator_is_given_the_schedule_follows_its_changes_and_forgets_it(
    tmp_path: Path, stack_on: StackOn, capsys: pytest.CaptureFixture[str]
) -> None:
    from zenml.client import Client

    stack_on("tests_folder", folder := tmp_path / "kept")
    path = write_schedule(
        tmp_path, "remote", {"file": "lines.txt"}, cron="15 3 * * 1", misfire={"policy": "all"},
        retries={"count": 2}, window={"lag": "1h"},
    )  # fmt: skip
    code, said, _ = told(capsys, "install", str(path))
    assert code == 0
    assert "remote: the stack's orchestrator fires it, which knows no retries, window." in said
    assert "No daemon" not in said
    [facts] = kept(folder)
    assert (facts["cron"], facts["catchup"], facts["active"]) == ("15 3 * * 1", True, True)
    assert facts["parameters"]["file"] == "lines.txt"
    [entry] = Client().list_schedules(name="equals:remote").items
    with opened() as connection:
        [installed] = schedules(connection)
    assert (installed.backend, installed.zenml_id) == ("zenml", str(entry.id))

    [listed] = json.loads(told(capsys, "list", "--json")[1])
    assert listed["next"].endswith("03:15:00 UTC")
    assert listed["backend"] == "the stack's orchestrator"
    for action, active in (("pause", False), ("pause", False), ("resume", True)):
        assert told(capsys, action, "remote")[0] == 0
        assert kept(folder)[0]["active"] is active
        assert Client().get_schedule(entry.id).active is active
    assert told(capsys, "history", "remote")[1] == "Nothing was due yet.\n"
    code, _, refused = told(capsys, "run-now", "remote", "--due")
    assert (code, "not this machine" in refused) == (2, True)
    assert told(capsys, "remove", "remote")[:2] == (0, "remote: removed. Its history stays.\n")
    assert kept(folder) == []
    assert Client().list_schedules(name="equals:remote").total == 0
    assert read_schedule_history("remote") == []


@pytest.mark.reference  # another process of ZenML's, for a message
@pytest.mark.slow
def test_an_orchestrator_that_takes_no_schedule_leaves_none_behind(
    tmp_path: Path, stack_on: StackOn, capsys: pytest.CaptureFixture[str]
) -> None:
    from zenml.client import Client

    stack_on("tests_folder", tmp_path / "kept", refuses=True)
    path = write_schedule(tmp_path, "refused", {"file": "x"}, interval="2h")
    code, said, refused = told(capsys, "install", str(path))
    assert (code, "installed" in said) == (2, False)
    assert "did not take the schedule 'refused': RuntimeError: no room for a schedule" in refused
    assert Client().list_schedules(name="equals:refused").total == 0
    with opened() as connection:
        assert schedules(connection) == []


@pytest.mark.parametrize(
    ("changed", "where", "why"),
    [
        ({"zone": "Europe/Berlin"}, "zone", "reads cron in UTC, and 'nightly' is of Europe/Berlin"),
        ({"misfire": {"policy": "skip"}}, "misfire.policy", "no misfire.policy as 'nightly' has"),
        ({"misfire": {"grace": "1h"}}, "misfire.grace", "it: 3600.0"),
        ({"misfire": {"policy": "all", "limit": 3}}, "misfire.limit", "it: 3"),
        ({"cron": "0 3 L * *"}, "cron of the schedule 'nightly'", "means nothing to this stack"),
    ],
)
def test_what_orchestrators_would_do_differently_is_refused(
    changed: dict[str, Any], where: str, why: str
) -> None:
    with pytest.raises(ScheduleError, match=why) as raised:
        check_remote("nightly", config(**changed))
    assert raised.value.where == where
    assert raised.value.do


def test_every_schedule_is_checked_before_the_first_is_handed_over(
    tmp_path: Path, stack_on: StackOn, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_on("tests_folder", folder := tmp_path / "kept")
    good = write_schedule(tmp_path, "good", {"file": "x"}, cron="0 3 * * *")
    bad = write_schedule(tmp_path, "bad", {"file": "x"}, cron="0 3 * * *", zone="Asia/Tokyo")
    code, said, refused = told(capsys, "install", str(good), str(bad))
    assert (code, "installed" in said, kept(folder)) == (2, False, [])
    assert "allowed: UTC" in refused


def test_settings_of_our_daemon_alone_are_named() -> None:
    assert left_to_the_orchestrator(config()) == []
    changed = {"overlap": "wait", "timeout": "1h", "notify": {"kind": "file"}, "window": {}}
    assert left_to_the_orchestrator(config(**changed)) == ["overlap", "timeout", "notify", "window"]


def test_an_orchestrator_that_cannot_be_told_is_not_said_to_have_been_told(
    tmp_path: Path, stack_on: StackOn, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_on("tests_deaf", tmp_path / "kept")
    zenml_id = entry_in_zenml("deaf")
    with opened() as connection:
        install(
            connection, "deaf", config().model_dump(mode="json"), source="here", backend="zenml",
            zenml_id=zenml_id, now=0.0, seen_until=0.0,
        )  # fmt: skip
    code, _, refused = told(capsys, "pause", "deaf")
    assert code == 2
    assert "The orchestrator cannot be told to pause 'deaf'." in refused
    with opened() as connection:
        found = find(connection, "deaf")
    assert found is not None
    assert not found.paused
    with pytest.raises(ScheduleError, match="fires a 'deaf' already"):
        replace_remote("deaf")
    with pytest.raises(ScheduleError, match="fires a 'deaf' already"):
        submit("deaf", config())
    code, said, _ = told(capsys, "remove", "deaf")
    assert code == 0
    assert "The orchestrator of deaf was not told: it deletes none. Delete it there" in said
    with pytest.raises(ScheduleError, match="ZenML has the schedule 'deaf' no more"):
        set_active_remote("deaf", zenml_id, False)
    assert forget_remote(zenml_id) == ""


def test_an_orchestrator_that_lost_a_schedule_does_not_keep_it_from_being_removed(
    tmp_path: Path, stack_on: StackOn
) -> None:
    stack_on("tests_folder", tmp_path / "kept")
    zenml_id = entry_in_zenml("lost")  # of which the orchestrator has no file
    with pytest.raises(ScheduleError, match=r"did not pause 'lost': .*No such file"):
        set_active_remote("lost", zenml_id, False)
    with pytest.raises(ScheduleError, match="cannot be told to stop: FileNotFoundError"):
        replace_remote("lost")
    assert forget_remote(zenml_id).startswith("FileNotFoundError")
    assert entry_of(zenml_id) is None


def entry_in_zenml(name: str) -> str:
    """A schedule in ZenML that the active stack's orchestrator fires."""
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.models import PipelineRequest, ScheduleRequest

    client = Client()
    found = client.list_pipelines(name="equals:nobody", size=1).items
    pipeline = found[0] if found else client.zen_store.create_pipeline(
        PipelineRequest(project=client.active_project.id, name="nobody")
    )  # fmt: skip
    [orchestrator] = client.active_stack_model.components[StackComponentType.ORCHESTRATOR]
    request = ScheduleRequest.model_validate(
        {"project": client.active_project.id, "name": name, "active": True, "catchup": False,
         "pipeline_id": pipeline.id, "orchestrator_id": orchestrator.id,
         "cron_expression": "0 3 * * *"}
    )  # fmt: skip
    return str(client.zen_store.create_schedule(request).id)
