"""The training settings, under the name of the package they configure.

They are defined beside the model settings because one YAML file holds both, and `models.ctr` may
not import `models.training`.
"""

from models.ctr.config import CTRConfig, TrainingConfig

__all__ = ["CTRConfig", "TrainingConfig"]
