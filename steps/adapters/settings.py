"""The configuration forms of the ops tools, importable without the tools themselves."""

from steps.adapters.evidently_settings import DriftConfig
from steps.adapters.expectation_settings import ValidationConfig
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.schedule_config import ScheduleConfig

__all__ = ["DriftConfig", "ReleaseConfig", "ScheduleConfig", "ValidationConfig"]
