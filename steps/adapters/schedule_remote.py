"""Schedules that the orchestrator of ZenML's stack fires itself: Kubernetes, Airflow and others."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from models.errors import ScheduleError
from models.files import write_text
from models.settings import config_path, read_yaml
from steps.adapters.schedule_config import MisfirePolicy, ScheduleConfig
from steps.adapters.schedule_cron import cron_values
from steps.adapters.schedule_history import RunStatus, ScheduleRun
from steps.adapters.schedule_records import Installed
from steps.adapters.schedule_runs import last_words
from steps.adapters.schedule_state import changing, opened, schedules_folder, uninstall
from steps.adapters.schedule_zenml import entry_of, find_entry, zenml_times
from steps.adapters.workspace import configs_folder, project_root

if TYPE_CHECKING:
    from zenml.models import ScheduleResponse
    from zenml.orchestrators import BaseOrchestrator


def submit(name: str, config: ScheduleConfig) -> str:
    """Let the active stack's orchestrator fire the pipeline, and return the schedule's id in ZenML.

    Raises:
        ScheduleError: the orchestrator refuses it; a schedule of that name is gone then.
    """
    from zenml.client import Client

    check_remote(name, config)
    client = Client()
    replace_remote(name)
    file = schedules_folder() / "remote" / f"{name}.yaml"
    write_text(file, yaml.safe_dump(_settings(name, config), sort_keys=False))
    zenml = Path(sys.executable).with_name("zenml")
    done = subprocess.run(
        [str(zenml), "pipeline", "run", config.source, "-c", str(file)],
        cwd=project_root(), env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    entry = find_entry(client, name)
    if done.returncode == 0 and entry is not None:
        return str(entry.id)
    if entry is not None:
        forget_remote(str(entry.id))
    with opened() as state, changing(state):
        uninstall(state, name)
    why = last_words(done.stdout + done.stderr)
    raise ScheduleError(
        f"The orchestrator did not take the schedule {name!r}: {why}",
        where=f"stack {client.active_stack_model.name!r}",
        do=f"See all it says: zenml pipeline run {config.source} -c {file}",
    )


def replace_remote(name: str) -> None:
    """Let the orchestrator forget a schedule that another one is to replace.

    Raises:
        ScheduleError: it cannot be told, and would fire both.
    """
    from zenml.client import Client

    client = Client()
    existing = find_entry(client, name)
    if existing is None:
        return
    why = _told_to_delete(existing)
    if why:
        raise ScheduleError(
            f"The orchestrator fires a {name!r} already, and cannot be told to stop: {why}.",
            where=f"stack {client.active_stack_model.name!r}",
            do=f"Delete it there, then: intentflow schedule remove {name}, and install it again.",
        )
    client.zen_store.delete_schedule(existing.id, soft=True)


def check_remote(name: str, config: ScheduleConfig) -> None:
    """Raise `ScheduleError` for what orchestrators would do differently from what is asked."""
    if config.cron is not None and config.zone != "UTC":
        raise ScheduleError(
            f"This stack's orchestrator reads cron in UTC, and {name!r} is of {config.zone}.",
            where="zone",
            allowed="UTC",
            do="Give the time in UTC; it then moves by an hour where clocks change.",
        )
    if config.cron is not None:
        _check_portable(name, config.cron)
    policy, defaults = config.misfire, MisfirePolicy()
    asked = {key for key in ("grace", "limit") if getattr(policy, key) != getattr(defaults, key)}
    if policy.policy == "skip":
        asked.add("policy")
    if asked:
        key = sorted(asked)[-1]
        raise ScheduleError(
            f"This stack's orchestrator knows no misfire.{key} as {name!r} has it: "
            f"{getattr(policy, key)}.",
            where=f"misfire.{key}",
            allowed="policy: latest or all, without grace and limit",
            do="Leave it out, or let our daemon fire the schedule: zenml stack set default",
        )


def left_to_the_orchestrator(config: ScheduleConfig) -> list[str]:
    """Return the settings of ``config`` that only our own daemon obeys."""
    defaults = ScheduleConfig.model_construct(pipeline="", config="")
    keys = ("overlap", "retries", "timeout", "notify")
    told = [key for key in keys if getattr(config, key) != getattr(defaults, key)]
    return [*told, *(["window"] if config.window is not None else [])]


def set_active_remote(name: str, zenml_id: str | None, active: bool) -> None:
    """Let the orchestrator fire a schedule, or not.

    Raises:
        ScheduleError: it cannot be told, or ZenML has the schedule no more.
    """
    from zenml.client import Client

    entry = entry_of(zenml_id) if zenml_id else None
    if entry is None:
        raise ScheduleError(
            f"ZenML has the schedule {name!r} no more.",
            do=f"Install it again, or forget it here too: intentflow schedule remove {name}",
        )
    orchestrator = _orchestrator(entry)
    if orchestrator is None or not orchestrator.supports_schedule_updates:
        raise ScheduleError(
            f"The orchestrator cannot be told to {'resume' if active else 'pause'} {name!r}.",
            where=f"orchestrator {orchestrator.name if orchestrator else 'that is gone'!r}",
            do=f"Remove the schedule and install it again: intentflow schedule remove {name}",
        )
    if entry.active == active:
        return
    try:
        Client().update_schedule(entry.id, active=active)
    except Exception as error:  # of whatever library the orchestrator stands on
        raise ScheduleError(
            f"The orchestrator did not {'resume' if active else 'pause'} {name!r}: {error}.",
            where=f"orchestrator {orchestrator.name!r}",
            do="See that it can be reached and has the schedule, and try again.",
        ) from error


def forget_remote(zenml_id: str | None) -> str:
    """Let ZenML and the orchestrator forget a schedule; return why that one was not told, if so."""
    from zenml.client import Client

    entry = entry_of(zenml_id) if zenml_id else None
    if entry is None:
        return ""
    why = _told_to_delete(entry)
    Client().zen_store.delete_schedule(entry.id, soft=True)
    return why


def remote_runs(schedule: Installed) -> list[ScheduleRun]:
    """Return what ZenML knows of the runs of a schedule, the newest first."""
    from zenml.client import Client

    found = Client().list_pipeline_runs(schedule_id=schedule.zenml_id, sort_by="desc:created")
    return [
        ScheduleRun(
            schedule=schedule.name,
            scheduled_at=run.created,
            started_at=run.start_time,
            ended_at=run.end_time,
            status=_status(run.status.value),
            attempt=1,
            run=run.name,
            reason="",
        )
        for run in found.items
    ]


def _orchestrator(entry: "ScheduleResponse") -> "BaseOrchestrator | None":
    """Return the orchestrator that fires a schedule, which need not be of the active stack."""
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.orchestrators import BaseOrchestrator

    if entry.orchestrator_id is None:
        return None
    try:
        found = Client().get_stack_component(StackComponentType.ORCHESTRATOR, entry.orchestrator_id)
    except KeyError:
        return None
    return cast("BaseOrchestrator", BaseOrchestrator.from_model(found))


def _told_to_delete(entry: "ScheduleResponse") -> str:
    """Let the orchestrator delete a schedule; return why it did not, if so."""
    orchestrator = _orchestrator(entry)
    if orchestrator is None:
        return "it is no component of ZenML any more"
    if not orchestrator.supports_schedule_deletion:
        return "it deletes none"
    try:
        orchestrator.delete_schedule(entry)
    except Exception as error:  # of whatever library it stands on
        return f"{type(error).__name__}: {error}"
    return ""


def _check_portable(name: str, cron: str) -> None:
    try:
        cron_values(cron)
    except ValueError as error:
        raise ScheduleError(
            f"{cron!r} means nothing to this stack's orchestrator: {error}.",
            where=f"cron of the schedule {name!r}",
            do="Write numbers, *, lists, ranges and steps only.",
        ) from None


def _settings(name: str, config: ScheduleConfig) -> dict[str, Any]:
    values = read_yaml(config_path("pipelines", config.config, configs_folder()))
    times = {
        key: value.isoformat() if hasattr(value, "isoformat") else value
        for key, value in zenml_times(config).items()
    }
    if config.interval is not None:
        times["interval_second"] = config.interval
    parameters = dict(values.get("parameters") or {})
    if config.window is not None and config.window.parameters is not None:
        parameters["window"] = config.window.parameters
    values["tags"] = [*(values.get("tags") or []), f"schedule:{name}"]
    if parameters:
        values["parameters"] = parameters
    return values | {"schedule": {"name": name} | times}


def _status(zenml: str) -> RunStatus:
    if zenml in {"completed", "cached"}:
        return "succeeded"
    return "failed" if zenml in {"failed", "stopped"} else "running"
