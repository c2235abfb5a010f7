"""Schedules that the orchestrator of ZenML's stack fires itself: Kubernetes, Airflow and others."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from models.errors import ScheduleError
from models.files import write_text
from models.settings import config_path, read_yaml
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_history import RunStatus, ScheduleRun
from steps.adapters.schedule_records import Installed
from steps.adapters.schedule_state import schedules_folder
from steps.adapters.schedule_zenml import find_entry, zenml_times
from steps.adapters.workspace import configs_folder, project_root


def submit(name: str, config: ScheduleConfig) -> str:
    """Let the active stack's orchestrator fire the pipeline, and return the schedule's id in ZenML.

    Raises:
        ScheduleError: the orchestrator refuses it.
    """
    from zenml.client import Client

    check_remote(name, config)
    client = Client()
    existing = find_entry(client, name)
    if existing is not None:
        client.delete_schedule(existing.id)
    file = schedules_folder() / "remote" / f"{name}.yaml"
    write_text(file, yaml.safe_dump(_settings(name, config), sort_keys=False))
    zenml = Path(sys.executable).with_name("zenml")
    done = subprocess.run(
        [str(zenml), "pipeline", "run", config.source, "-c", str(file)],
        cwd=project_root(), env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    entry = find_entry(client, name)
    if done.returncode != 0 or entry is None:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
        raise ScheduleError(
            f"The orchestrator did not take the schedule: {' '.join(last)}",
            where=f"stack {client.active_stack_model.name!r}",
            do=f"See what it says: zenml pipeline run {config.source} -c {file}",
        )
    return str(entry.id)


def check_remote(name: str, config: ScheduleConfig) -> None:
    """Raise `ScheduleError` for times that orchestrators read differently."""
    if config.cron is not None and config.zone != "UTC":
        raise ScheduleError(
            f"This stack's orchestrator reads cron in UTC, and {name!r} is of {config.zone}.",
            where="zone",
            allowed="UTC",
            do="Give the time in UTC; it then moves by an hour where clocks change.",
        )


def left_to_the_orchestrator(config: ScheduleConfig) -> list[str]:
    """Return the settings of ``config`` that only our own daemon obeys."""
    defaults = ScheduleConfig.model_construct(pipeline="", config="")
    keys = ("overlap", "retries", "timeout", "notify")
    told = [key for key in keys if getattr(config, key) != getattr(defaults, key)]
    return [*told, *(["window"] if config.window is not None else [])]


def set_active_remote(zenml_id: str | None, active: bool) -> None:
    """Let the orchestrator fire a schedule, or not; ZenML warns where it cannot be told."""
    from zenml.client import Client

    if zenml_id is not None:
        Client().update_schedule(UUID(zenml_id), active=active)


def forget_remote(zenml_id: str | None) -> None:
    """Let the orchestrator forget a schedule."""
    from zenml.client import Client

    if zenml_id is not None:
        with contextlib.suppress(KeyError):
            Client().delete_schedule(UUID(zenml_id))


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
