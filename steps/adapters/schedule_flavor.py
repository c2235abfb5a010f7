"""A flavor of ZenML's local orchestrator whose schedules our daemon fires.

With it, ``pipeline.with_options(schedule=…)`` works on one machine, and ``zenml pipeline schedule
deactivate``, ``activate``, ``update`` and ``delete`` reach the daemon.
"""

import os
from typing import TYPE_CHECKING

from zenml.orchestrators import PipelineSubmissionError, SubmissionResult
from zenml.orchestrators.local.local_orchestrator import (
    LocalOrchestrator,
    LocalOrchestratorConfig,
    LocalOrchestratorFlavor,
)

from models.errors import ProjectError
from steps.adapters.schedule_child import TOKEN
from steps.adapters.schedule_foreign import adopt, change, delete
from steps.adapters.schedule_zenml import FLAVOR

if TYPE_CHECKING:
    from zenml.models import (
        PipelineRunResponse,
        PipelineSnapshotResponse,
        ScheduleResponse,
        ScheduleUpdate,
    )
    from zenml.stack import Stack


class ScheduledLocalConfig(LocalOrchestratorConfig):
    """Settings of the flavor: none of its own."""

    @property
    def is_schedulable(self) -> bool:
        """Tell ZenML that schedules are welcome."""
        return True


class ScheduledLocalOrchestrator(LocalOrchestrator):
    """Runs pipelines in this process, and hands schedules to the daemon."""

    def submit_pipeline(
        self,
        snapshot: "PipelineSnapshotResponse",
        stack: "Stack",
        base_environment: dict[str, str],
        step_environments: dict[str, dict[str, str]],
        placeholder_run: "PipelineRunResponse | None" = None,
    ) -> SubmissionResult | None:
        """Run the pipeline, or remember its schedule.

        Raises:
            PipelineSubmissionError: the daemon cannot fire such a schedule; ZenML then deletes it.
        """
        if snapshot.schedule is None or TOKEN in os.environ:
            return super().submit_pipeline(
                snapshot, stack, base_environment, step_environments, placeholder_run
            )
        return _adopted(snapshot)

    def submit_dynamic_pipeline(
        self,
        snapshot: "PipelineSnapshotResponse",
        stack: "Stack",
        environment: dict[str, str],
        placeholder_run: "PipelineRunResponse | None" = None,
    ) -> SubmissionResult | None:
        """Run the dynamic pipeline, or remember its schedule, as `submit_pipeline` does."""
        if snapshot.schedule is None or TOKEN in os.environ:
            return super().submit_dynamic_pipeline(snapshot, stack, environment, placeholder_run)
        return _adopted(snapshot)

    def update_schedule(self, schedule: "ScheduleResponse", update: "ScheduleUpdate") -> None:
        """Let the daemon follow ``zenml pipeline schedule activate | deactivate | update``."""
        change(str(schedule.id), active=update.active, cron=update.cron_expression)

    def delete_schedule(self, schedule: "ScheduleResponse") -> None:
        """Let the daemon follow ``zenml pipeline schedule delete``."""
        delete(str(schedule.id))


class ScheduledLocalFlavor(LocalOrchestratorFlavor):
    """What ``zenml orchestrator flavor list`` shows."""

    @property
    def name(self) -> str:
        """Return the flavor's name."""
        return FLAVOR

    @property
    def config_class(self) -> type[ScheduledLocalConfig]:
        """Return the class of its settings."""
        return ScheduledLocalConfig

    @property
    def implementation_class(self) -> type[ScheduledLocalOrchestrator]:
        """Return the class that runs pipelines."""
        return ScheduledLocalOrchestrator


def _adopted(snapshot: "PipelineSnapshotResponse") -> None:
    try:
        adopt(snapshot)
    except ProjectError as error:
        raise PipelineSubmissionError(str(error)) from None
