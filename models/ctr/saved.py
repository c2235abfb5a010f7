"""A trained model as a folder: weights and catalogue in safetensors, the rest in JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.ctr.base import CTRModel
from models.ctr.build import build_model
from models.ctr.calibration import Calibration
from models.ctr.config import CTRConfig
from models.data.catalogue import Catalogue
from models.data.feature_spec import FeatureSpec
from models.errors import CorruptArtifactError, IncompatibleArtifactError

WEIGHTS, CATALOGUE, DESCRIPTION = "weights.safetensors", "catalogue.safetensors", "model.json"
OPTIONAL_TABLES = ("content", "content_mean", "intent_edges", "item_users", "item_impressions")


class ModelDescription(BaseModel):
    """What stands in ``model.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: CTRConfig
    spec: FeatureSpec
    seed: int
    summary: dict[str, str | int | float | bool | None]
    calibration: Calibration = Calibration()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A trained model in evaluation mode, and what it was trained with.

    Attributes:
        model: The model, its weights restored.
        config: Its configuration.
        catalogue: The item tables it looks up.
        metadata: ``seed``, and the ``summary`` of its training.
        calibration: What turns its logits into probabilities.
    """

    model: CTRModel
    config: CTRConfig
    catalogue: Catalogue
    metadata: dict[str, Any]
    calibration: Calibration = field(default_factory=Calibration)


def save_model(
    model: CTRModel, description: ModelDescription, catalogue: Catalogue, folder: Path
) -> None:
    """Write weights, catalogue and description into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_storable(model.state_dict()), folder / WEIGHTS)
    tables = {name: getattr(catalogue, name) for name in ("item_fields", *OPTIONAL_TABLES)}
    save_file(
        _storable({name: table for name, table in tables.items() if table is not None}),
        folder / CATALOGUE,
    )
    (folder / DESCRIPTION).write_text(
        description.model_dump_json(indent=2) + "\n", encoding="utf-8"
    )


def read_description(folder: Path) -> ModelDescription:
    """Return what ``model.json`` says; raise `CorruptArtifactError` where it cannot be read."""
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
        return ModelDescription.model_validate_json(text)
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise _not_whole(folder, error) from None


def load_model(folder: Path) -> LoadedModel:
    """Return the model at ``folder`` in evaluation mode, on the CPU.

    Raises:
        CorruptArtifactError: a file is missing or unreadable.
        IncompatibleArtifactError: the weights are not those of the model described.
    """
    description = read_description(folder)
    try:
        tables, weights = load_file(folder / CATALOGUE), load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise _not_whole(folder, error) from None
    catalogue = Catalogue(
        spec=description.spec,
        item_fields=tables["item_fields"],
        **{name: tables.get(name) for name in OPTIONAL_TABLES},
    )
    model = build_model(description.config, catalogue, description.seed)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise IncompatibleArtifactError(
            f"The weights do not fit {description.config.model!r}: {str(error).splitlines()[0]}",
            where=str(folder / WEIGHTS),
            do="Train the model again with this version of the library.",
        ) from None
    metadata = {"seed": description.seed, "summary": description.summary}
    return LoadedModel(
        model.eval(), description.config, catalogue, metadata, description.calibration
    )


def _not_whole(folder: Path, error: Exception) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"This is no whole CTR model: {str(error).splitlines()[0]}",
        where=str(folder),
        allowed=f"a folder with {DESCRIPTION}, {CATALOGUE} and {WEIGHTS}",
        do="Train the model again, or bring the run's files back: intentflow checkout RUN",
    )


def _storable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
