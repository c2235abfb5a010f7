"""The configuration forms of the ops tools, importable without the tools themselves."""

from steps.adapters.drift_config import DriftConfig
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.validation_config import ValidationConfig

__all__ = ["DriftConfig", "ReleaseConfig", "ValidationConfig"]
