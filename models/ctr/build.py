"""How a CTR model is built from its configuration."""

import torch

from models.ctr.base import CTRModel
from models.ctr.config import CTRConfig
from models.ctr.registry import MODELS
from models.data.catalogue import Catalogue
from models.layers.embedding import INITIAL_SCALE, IdEmbedding
from models.settings import parse_settings


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
        model = kind(settings, catalogue)
    with torch.no_grad():
        for table in model.modules():
            if isinstance(table, IdEmbedding):
                table.weight *= settings.embedding_scale / INITIAL_SCALE
    return model
