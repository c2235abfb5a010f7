"""Schedules in ZenML: the stack that takes them, the entries, and what became of their runs."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from models.errors import ScheduleError
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_records import Backend, Row
from steps.adapters.schedule_state import change_schedule, changing, opened, uninstall

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse, ScheduleResponse

FLAVOR = "intentflow_local"
FLAVOR_SOURCE = "steps.adapters.schedule_flavor.ScheduledLocalFlavor"
STACK = "intentflow"
LOCAL = {"local", FLAVOR}


def backend() -> Backend:
    """Return who fires the schedules of the active stack."""
    from zenml.client import Client

    client = Client()
    if _orchestrator(client).flavor_name in LOCAL:
        return "daemon"
    config = client.active_stack.orchestrator.config
    if config.is_schedulable:
        return "zenml"
    raise ScheduleError(
        f"The orchestrator of the stack {client.active_stack_model.name!r} keeps no schedules.",
        where=f"orchestrator {_orchestrator(client).name!r}",
        allowed="local, or one that schedules: Kubernetes, Kubeflow, Airflow …",
        do="Choose another stack: zenml stack set NAME",
    )


def stack_name() -> str:
    """Return the stack that scheduled runs use: the active one, ours where that is plain local."""
    from zenml.client import Client

    client = Client()
    if _orchestrator(client).flavor_name != "local":
        return client.active_stack_model.name
    found = client.list_stacks(name=STACK)
    return STACK if found.total else client.active_stack_model.name


def ensure_schedule(name: str, config: ScheduleConfig, known: str | None) -> str:
    """Return the id of the schedule in ZenML, made where there is none with these times.

    Args:
        name: The schedule's name.
        config: Its settings.
        known: The id it had so far.
    """
    from zenml.client import Client
    from zenml.models import ScheduleRequest

    client = Client()
    request = ScheduleRequest.model_validate(
        zenml_times(config)
        | {
            "project": client.active_project.id,
            "name": name,
            "active": True,
            "pipeline_id": _pipeline(client, config.source.rpartition(".")[2]),
            "orchestrator_id": _schedulable_orchestrator(client).id,
        }
    )
    existing = find_entry(client, name)
    if existing is not None:
        same = existing.cron_expression == request.cron_expression
        same = same and existing.interval_second == request.interval_second
        if same and str(existing.id) == known:
            return str(existing.id)
        client.zen_store.delete_schedule(existing.id, soft=True)
    return str(client.zen_store.create_schedule(request).id)


def zenml_times(config: ScheduleConfig) -> dict[str, Any]:
    """Return the times of a schedule as ZenML's own schedules take them; cron has no zone there."""
    times: dict[str, Any] = {"catchup": config.misfire.policy == "all"}
    if config.interval is not None:
        begin = config.moment(config.start) if config.start else time.time()
        times["interval_second"] = timedelta(seconds=config.interval)
        times["start_time"] = datetime.fromtimestamp(begin, UTC)
    else:
        times["cron_expression"] = config.cron
        if config.start is not None:
            times["start_time"] = datetime.fromtimestamp(config.moment(config.start), UTC)
    if config.end is not None:
        times["end_time"] = datetime.fromtimestamp(config.moment(config.end), UTC)
    return times


def set_active(zenml_id: str | None, active: bool) -> None:
    """Let ZenML show whether the schedule fires."""
    from zenml.client import Client
    from zenml.models import ScheduleUpdate

    if zenml_id is not None and entry_of(zenml_id) is not None:
        Client().zen_store.update_schedule(UUID(zenml_id), ScheduleUpdate(active=active))


def forget(zenml_id: str | None) -> None:
    """Let ZenML show the schedule no more; its runs go on naming it."""
    from zenml.client import Client

    if zenml_id is not None and entry_of(zenml_id) is not None:
        Client().zen_store.delete_schedule(UUID(zenml_id), soft=True)


def still_wanted(row: Row) -> bool:
    """Tell whether ZenML's schedule of a due run is active; if not, the daemon's is paused too.

    Somebody may have changed it where the daemon is not told, such as on a ZenML server.
    """
    if row.zenml_id is None:
        return True
    entry = entry_of(row.zenml_id)
    if entry is not None and entry.active:
        return True
    with opened() as state, changing(state):
        if entry is None:
            uninstall(state, row.schedule)
        else:
            change_schedule(state, row.schedule, paused=1)
    return False


def close_run(run: str) -> None:
    """Note in ZenML that a run whose process was killed is over."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunUpdate, StepRunUpdate
    from zenml.utils.time_utils import utc_now

    client = Client()
    try:
        found = client.get_pipeline_run(run, allow_name_prefix_match=False)
    except KeyError:
        return
    for step in found.steps.values():
        if not step.status.is_finished:
            over = StepRunUpdate(status=ExecutionStatus.FAILED, end_time=utc_now())
            client.zen_store.update_run_step(step.id, over)
    if not client.get_pipeline_run(found.id).status.is_finished:
        over = PipelineRunUpdate(
            status=ExecutionStatus.FAILED, status_reason="Its process was ended."
        )
        client.zen_store.update_run(found.id, over)


def find_entry(client: "Client", name: str) -> "ScheduleResponse | None":
    """Return the schedule of that name that ZenML shows."""
    return next((s for s in client.list_schedules(name=f"equals:{name}").items), None)


def entry_of(zenml_id: str) -> "ScheduleResponse | None":
    """Return the schedule of that id, unless it was deleted."""
    from zenml.client import Client

    try:
        entry = Client().zen_store.get_schedule(UUID(zenml_id))
    except KeyError:
        return None
    return None if entry.get_body().is_archived else entry


def _pipeline(client: "Client", name: str) -> UUID:
    from zenml.models import PipelineRequest

    found = client.list_pipelines(name=f"equals:{name}", size=1).items
    if found:
        return found[0].id
    request = PipelineRequest(project=client.active_project.id, name=name)
    return client.zen_store.create_pipeline(request).id


def _orchestrator(client: "Client") -> "ComponentResponse":
    from zenml.enums import StackComponentType

    return client.active_stack_model.components[StackComponentType.ORCHESTRATOR][0]


def _schedulable_orchestrator(client: "Client") -> "ComponentResponse":
    """Return the active orchestrator where it is of our flavor, else the one of our own stack."""
    from zenml.enums import StackComponentType

    active = _orchestrator(client)
    if active.flavor_name == FLAVOR:
        return active
    kind = StackComponentType.ORCHESTRATOR
    if not client.list_flavors(name=FLAVOR, type=kind).total:
        client.create_flavor(FLAVOR_SOURCE, kind)
    found = client.list_stack_components(name=f"equals:{STACK}", type=kind).items
    ours = found[0] if found else client.create_stack_component(STACK, FLAVOR, kind, {})
    if not client.list_stacks(name=f"equals:{STACK}").total:
        components = {
            other: [component.id for component in components]
            for other, components in client.active_stack_model.components.items()
            if other != kind
        }
        client.create_stack(STACK, components | {kind: ours.id})
    return ours
