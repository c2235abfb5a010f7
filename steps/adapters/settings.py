"""The configuration forms of the ops tools, importable without the tools themselves."""

from steps.adapters.evidently import DriftConfig
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.expectation_settings import ValidationConfig

__all__ = ["DriftConfig", "ReleaseConfig", "ValidationConfig"]
