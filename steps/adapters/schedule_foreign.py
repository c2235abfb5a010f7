"""Schedules that come from ZenML's side: made there, or changed and deleted there."""

import re
import time
from typing import TYPE_CHECKING, Any

import yaml

from models.errors import ScheduleError
from models.files import write_text
from models.settings import parse_settings
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_cron import check_cron
from steps.adapters.schedule_records import Installed
from steps.adapters.schedule_state import (
    change_schedule,
    changing,
    find,
    install,
    opened,
    schedules,
    schedules_folder,
    uninstall,
)
from steps.adapters.schedule_zenml import entry_of

if TYPE_CHECKING:
    from zenml.models import PipelineSnapshotResponse, ScheduleResponse


def adopt(snapshot: "PipelineSnapshotResponse") -> None:
    """Let the daemon fire the schedule that ``snapshot`` was made with, under our defaults.

    Raises:
        ScheduleError: its pipeline or its times are none that the daemon can fire, or another
            schedule has its name here.
    """
    schedule, source = snapshot.schedule, snapshot.pipeline_spec and snapshot.pipeline_spec.source
    if schedule is None or source is None:
        raise ScheduleError(
            "This pipeline cannot be scheduled: it stands in no module.",
            do="Put it into a file below the project's root.",
        )
    name = re.sub(r"[^a-z0-9_-]+", "-", schedule.name.lower()).strip("-")[:63] or "schedule"
    file = schedules_folder() / "adopted" / f"{name}.yaml"
    parameters = snapshot.pipeline_configuration.parameters or {}
    values = _times(schedule) | {"pipeline": source.import_path, "config": str(file)}
    config = parse_settings(ScheduleConfig, values, f"the schedule {schedule.name!r} in ZenML")
    now = float(int(time.time()))
    with opened() as state, changing(state):
        known = find(state, name)
        if known is not None and known.zenml_id and entry_of(known.zenml_id) is not None:
            raise ScheduleError(
                f"{schedule.name!r} is called {name!r} here, and so is another schedule.",
                where=known.source,
                do="Give it another name: Schedule(name=…)",
            )
        install(
            state, name, config.model_dump(mode="json"), source=str(file), backend="daemon",
            zenml_id=str(schedule.id), now=now, seen_until=now,
        )  # fmt: skip
        write_text(file, yaml.safe_dump({"parameters": parameters}, sort_keys=False))


def change(zenml_id: str, *, active: bool | None, cron: str | None) -> None:
    """Pause, resume or move the schedule that ZenML knows as ``zenml_id``.

    Raises:
        ScheduleError: ``cron`` is no time.
    """
    with opened() as state, changing(state):
        schedule = _known(schedules(state), zenml_id)
        if schedule is None:
            return
        if active is not None:
            resumed = {"seen_until": time.time()} if active and schedule.paused else {}
            change_schedule(state, schedule.name, paused=int(not active), **resumed)
        if cron is not None:
            config = schedule.config | {"cron": _checked(cron), "interval": None}
            change_schedule(state, schedule.name, config=config, seen_until=time.time())


def delete(zenml_id: str) -> None:
    """Forget the schedule that ZenML knows as ``zenml_id``."""
    with opened() as state, changing(state):
        schedule = _known(schedules(state), zenml_id)
        if schedule is not None:
            uninstall(state, schedule.name)


def _known(installed: list[Installed], zenml_id: str) -> Installed | None:
    return next((found for found in installed if found.zenml_id == zenml_id), None)


def _checked(cron: str) -> str:
    try:
        return check_cron(cron)
    except ValueError as error:
        raise ScheduleError(
            f"{cron!r} is no time: {error}.", do="Give minute, hour, day, month and weekday."
        ) from None


def _times(schedule: "ScheduleResponse") -> dict[str, Any]:
    """Return the times of a ZenML schedule, all of them UTC, as our settings."""
    if schedule.cron_expression is None and schedule.interval_second is None:
        raise ScheduleError(
            f"The schedule {schedule.name!r} has neither cron nor interval.",
            allowed="Schedule(cron_expression=…), or start_time with interval_second",
            do="To run once, call the pipeline without a schedule.",
        )
    interval = schedule.interval_second
    values: dict[str, Any] = {"zone": "UTC"}
    values |= (
        {"cron": schedule.cron_expression}
        if schedule.cron_expression
        else {"interval": interval.total_seconds() if interval else None}
    )
    bounds = {"start": schedule.start_time, "end": schedule.end_time}
    policy = {"misfire": {"policy": "all" if schedule.catchup else "latest"}}
    return values | {key: time for key, time in bounds.items() if time} | policy
