"""One training loop for every CTR model: its stages in order, resumable at any step."""

from pathlib import Path

from models.artifacts import Scalar
from models.ctr.config import CTRConfig
from models.data.catalogue import Catalogue
from models.data.examples import ExampleStore
from models.intents.labels import IntentLabels
from models.training.catalogue import make_catalogue
from models.training.model_folder import LoadedModel, load_model
from models.training.scoring import Scores, score

__all__ = ["LoadedModel", "Scores", "load_model", "make_catalogue", "score", "train"]


def train(
    config: CTRConfig,
    store: ExampleStore,
    catalogue: Catalogue,
    intents: IntentLabels | None,
    folder: Path,
    *,
    seed: int,
    resume_folder: Path,
) -> dict[str, Scalar]:
    """Train the configured model and write it into ``folder``; return what a summary shows."""
    raise NotImplementedError
