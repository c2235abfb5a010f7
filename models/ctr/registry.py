"""The CTR models by name, and how one is built from its configuration."""

import torch

from models.ctr.base import CTRModel
from models.ctr.config import CTRConfig
from models.data.catalogue import Catalogue
from models.registry import Registry
from models.settings import parse_settings

__all__ = ["MODELS", "CTRConfig", "build_model"]

MODELS = Registry(
    "CTR model",
    {
        "din": "models.ctr.din:DIN",
        "daian": "models.ctr.daian:DAIAN",
    },
    "docs/how-to/add-a-model.md",
)


def build_model(config: CTRConfig, catalogue: Catalogue, seed: int) -> CTRModel:
    """Return the configured model with weights drawn from ``seed``.

    Raises:
        UnknownNameError: no model is registered under the name.
        ConfigError: the settings do not fit the model, or the model does not fit the catalogue.
    """
    kind: type[CTRModel] = MODELS[config.model]
    settings = parse_settings(kind.config_type, config.settings, f"settings of {config.model!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(settings, catalogue)
