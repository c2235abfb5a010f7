"""From a scoring request to click probabilities: the library, a model folder and nothing else."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from models.artifacts import verify_artifact
from models.ctr.saved import LoadedModel, load_model
from models.data.batch import Batch
from models.data.vocabulary import MISSING, UNKNOWN, Vocabularies
from models.errors import IncompatibleArtifactError, RequestError
from models.serving.request import (
    HistoryEvent,
    IntentRequest,
    IntentResponse,
    ModelInfo,
    ScoreRequest,
    ScoreResponse,
)

DAY_S = 86_400


class Predictor:
    """Scores requests with a trained model; safe to share between threads.

    Requests become the very batches the example store gathers for training: the same codes, the
    same history window, the same rule for the trigger. Ids the model does not know are scored
    through the unknown id, whose content embedding is zero.

    Args:
        loaded: The model.
        vocabularies: The codes it was trained with.
        version: What responses call the model.
        content_hash: Hash of the model artifact.

    Attributes:
        vocabularies: As given, and so are ``version`` and ``content_hash``.
    """

    def __init__(
        self, loaded: LoadedModel, vocabularies: Vocabularies, *, version: str, content_hash: str
    ) -> None:
        self._model, self._config = loaded.model.eval(), loaded.config
        self.vocabularies, self._examples = vocabularies, vocabularies.examples
        self._edges, self._calibration = loaded.catalogue.intent_edges, loaded.calibration
        self.version, self.content_hash = version, content_hash

    @classmethod
    def load(cls, folder: Path, *, version: str | None = None) -> "Predictor":
        """Return the predictor of the ctr_model artifact at ``folder``.

        Args:
            folder: The artifact, whose bytes are compared with its manifest.
            version: What responses call the model; by default the start of its content hash.

        Raises:
            CorruptArtifactError: a file is missing or differs from the manifest.
            IncompatibleArtifactError: the vocabularies are not those of the model.
        """
        manifest = verify_artifact(folder, "ctr_model")
        loaded, vocabularies = load_model(folder), Vocabularies.load(folder)
        if vocabularies.spec != loaded.catalogue.spec:
            raise IncompatibleArtifactError(
                "The vocabularies have other sizes than the model's embeddings.",
                where=str(folder),
                do="Train the model again: both files are written by one training.",
            )
        return cls(
            loaded,
            vocabularies,
            version=version or manifest.content_hash[:12],
            content_hash=manifest.content_hash,
        )

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Return the click probability of each candidate; the user's side is computed once.

        Raises:
            RequestError: a field is not one the model was trained with, or has a wrong type.
        """
        batch = self.batch(request)
        codes = [self.vocabularies.item_code(item) for item in request.candidates]
        with torch.inference_mode():
            output = self._model.score_candidates(batch, torch.tensor(codes, dtype=torch.int32))
            probabilities = self._calibration.probability(output.logit.double().numpy())
            return ScoreResponse(
                probabilities=probabilities.tolist(),
                intent=_first_row(output.intent),
                model_version=self.version,
            )

    def intent(self, request: IntentRequest) -> IntentResponse:
        """Return the predicted share of clicks at each level; ``None`` if the model has none.

        Raises:
            RequestError: a field is not one the model was trained with, or has a wrong type.
        """
        with torch.inference_mode():
            output = self._model.predict(self.batch(request))
        return IntentResponse(intent=_first_row(output.intent), model_version=self.version)

    def info(self) -> ModelInfo:
        """Return what is being served."""
        spec, examples = self.vocabularies.spec, self._examples
        return ModelInfo(
            model=self._config.model,
            model_version=self.version,
            content_hash=self.content_hash,
            num_items=len(self.vocabularies.known_items),
            num_users=self.vocabularies.num_train_users,
            num_parameters=sum(weights.numel() for weights in self._model.parameters()),
            intent_levels=None if self._edges is None else len(self._edges) + 1,
            user_fields=[field.name for field in spec.user_fields],
            context_fields=[field.name for field in spec.context_fields],
            history_length=examples.history_length,
            history_days=examples.history_days,
        )

    def warm_up(self) -> None:
        """Score one request, so that the first real one finds every table built."""
        self.score(ScoreRequest(candidates=[0], timestamp=0))

    def batch(self, request: IntentRequest) -> Batch:
        """Return the request as a batch of one impression, whose target is the unknown item."""
        past = sorted(
            (event for event in request.history if event.timestamp < request.timestamp),
            key=lambda event: event.timestamp,
        )
        codes, ages = self._history(past, request.timestamp)
        user = None if request.user_id is None else self.vocabularies.user_code(request.user_id)
        return Batch(
            user=_integers([UNKNOWN if user is None else user]),
            target_item=_integers([UNKNOWN]),
            trigger_item=_integers([self._trigger(past, request)]),
            history=_integers([codes or [MISSING]]),
            history_mask=torch.tensor([[bool(codes)] * max(len(codes), 1)]),
            history_age_s=_integers([ages or [0]]),
            user_fields=_integers([self._fields(request, "user")]),
            context_fields=_integers([self._fields(request, "context")]),
            label=torch.zeros(1),
        )

    def _history(self, past: list[HistoryEvent], now: int) -> tuple[list[int], list[int]]:
        """Return codes and ages of the window the model was trained on, oldest first."""
        days = self._examples.history_days
        earliest = 0 if days is None else now - int(days * DAY_S)
        newest = past[-self._examples.history_length :]
        window = [event for event in newest if event.timestamp >= earliest]
        codes = [self.vocabularies.item_code(event.item_id) for event in window]
        return codes, [now - event.timestamp for event in window]

    def _trigger(self, past: list[HistoryEvent], request: IntentRequest) -> int:
        """Return the trigger's code under the rule of training; 0 where there is none."""
        rule = self._examples.trigger
        if rule == "none":
            return MISSING
        if request.trigger_item_id is not None:
            return self.vocabularies.item_code(request.trigger_item_id)
        earliest = request.timestamp - self._examples.trigger_window_s
        if rule == "derived" and past and past[-1].timestamp >= earliest:
            return self.vocabularies.item_code(past[-1].item_id)
        return MISSING

    def _fields(self, request: IntentRequest, side: str) -> list[int]:
        try:
            if side == "user":
                return self.vocabularies.encode_user_fields(request.user)
            return self.vocabularies.encode_context_fields(request.context)
        except (ValueError, TypeError) as error:
            raise RequestError(
                f"A {side} field has a value of the wrong type: {error}.",
                where=side,
                allowed="numbers for numeric fields, the values of training for the others",
                do="Send the value as it stood in the training tables, or leave the field out.",
            ) from None


def _integers(values: list[int] | list[list[int]]) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def _first_row(intent: Float[Tensor, "B n"] | None) -> list[float] | None:
    return None if intent is None else intent[0].double().tolist()
