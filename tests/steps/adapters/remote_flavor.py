"""An orchestrator that keeps schedules itself, as Kubernetes and Airflow do: in a folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from zenml.orchestrators import SubmissionResult
from zenml.orchestrators.local.local_orchestrator import (
    LocalOrchestrator,
    LocalOrchestratorConfig,
    LocalOrchestratorFlavor,
)

if TYPE_CHECKING:
    from zenml.models import (
        PipelineRunResponse,
        PipelineSnapshotResponse,
        ScheduleResponse,
        ScheduleUpdate,
    )
    from zenml.stack import Stack


class FolderConfig(LocalOrchestratorConfig):
    """Settings: the folder with a file a schedule, and whether this orchestrator takes any."""

    folder: str
    refuses: bool = False

    @property
    def is_schedulable(self) -> bool:
        """Say yes."""
        return True


class DeafOrchestrator(LocalOrchestrator):
    """Fires schedules for ever: nobody can tell it to change or forget one."""

    @property
    def folder(self) -> Path:
        """Where its schedules stand."""
        assert isinstance(self.config, FolderConfig)
        return Path(self.config.folder)

    def submit_pipeline(
        self,
        snapshot: "PipelineSnapshotResponse",
        stack: "Stack",
        base_environment: dict[str, str],
        step_environments: dict[str, dict[str, str]],
        placeholder_run: "PipelineRunResponse | None" = None,
    ) -> SubmissionResult | None:
        """Note the schedule, or run the pipeline."""
        schedule = snapshot.schedule
        if schedule is None:
            return super().submit_pipeline(
                snapshot, stack, base_environment, step_environments, placeholder_run
            )
        assert isinstance(self.config, FolderConfig)
        if self.config.refuses:
            raise RuntimeError("no room for a schedule")
        interval = schedule.interval_second
        facts = {
            "cron": schedule.cron_expression,
            "interval": interval.total_seconds() if interval else None,
            "start": str(schedule.start_time) if schedule.start_time else None,
            "catchup": schedule.catchup,
            "parameters": snapshot.pipeline_configuration.parameters,
            "active": True,
        }
        self._file(str(schedule.id)).write_text(json.dumps(facts), encoding="utf-8")
        return None

    def _file(self, schedule_id: str) -> Path:
        return self.folder / f"{schedule_id}.json"


class FolderOrchestrator(DeafOrchestrator):
    """Can be told."""

    def update_schedule(self, schedule: "ScheduleResponse", update: "ScheduleUpdate") -> None:
        """Note whether it fires."""
        file = self._file(str(schedule.id))
        facts = json.loads(file.read_text(encoding="utf-8")) | {"active": update.active}
        file.write_text(json.dumps(facts), encoding="utf-8")

    def delete_schedule(self, schedule: "ScheduleResponse") -> None:
        """Forget it."""
        self._file(str(schedule.id)).unlink()


class DeafFlavor(LocalOrchestratorFlavor):
    """Of the orchestrator that cannot be told."""

    @property
    def name(self) -> str:
        """Return the flavor's name."""
        return "tests_deaf"

    @property
    def config_class(self) -> type[FolderConfig]:
        """Return the class of its settings."""
        return FolderConfig

    @property
    def implementation_class(self) -> type[DeafOrchestrator]:
        """Return the class that runs pipelines."""
        return DeafOrchestrator


class FolderFlavor(DeafFlavor):
    """Of the orchestrator that can be told."""

    @property
    def name(self) -> str:
        """Return the flavor's name."""
        return "tests_folder"

    @property
    def implementation_class(self) -> type[FolderOrchestrator]:
        """Return the class that runs pipelines."""
        return FolderOrchestrator
