"""From a scoring request to click probabilities, with nothing but the library and a model folder."""

from pathlib import Path

from models.serving.request import (
    IntentRequest,
    IntentResponse,
    ModelInfo,
    ScoreRequest,
    ScoreResponse,
)


class Predictor:
    """Scores requests with a trained model; safe to share between threads."""

    @classmethod
    def load(cls, folder: Path, *, version: str | None = None) -> "Predictor":
        """Return the predictor of the ctr_model artifact at ``folder``."""
        raise NotImplementedError

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Return the click probability of each candidate."""
        raise NotImplementedError

    def intent(self, request: IntentRequest) -> IntentResponse:
        """Return the predicted intent."""
        raise NotImplementedError

    def info(self) -> ModelInfo:
        """Return what is being served."""
        raise NotImplementedError
