"""The scoring service over HTTP: BentoML around `models.serving.predictor.Predictor`.

In a Bento the model folder stands beside the library, at ``model/``; ``INTENTFLOW_MODEL`` names
another one while developing. ``INTENTFLOW_LINE`` names the folder of a line of releases, whose
production version is then served, also when it changes; without it, what is packed is served.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import bentoml
from pydantic import BaseModel
from starlette.responses import JSONResponse

from models.errors import RequestError
from models.serving.guard import RequestGuard, error_body
from models.serving.request import (
    IntentRequest,
    IntentResponse,
    ModelInfo,
    ScoreRequest,
    ScoreResponse,
)

if TYPE_CHECKING:
    from models.serving.predictor import Predictor

BUNDLE = Path(__file__).resolve().parents[2]
Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)


@bentoml.service(
    name="intentflow",
    workers=1,
    threads=1,
    traffic={"timeout": 10, "max_concurrency": 256},
    http={"host": "127.0.0.1"},  # pyright: ignore[reportArgumentType] - it checks for a str
    logging={"access": {"enabled": False}},
)
class ScoringService:
    """Click probabilities, intents and facts of one model."""

    def __init__(self) -> None:
        import torch

        from models.serving.follower import Follower, Line, packed_version
        from models.serving.predictor import Predictor

        torch.set_num_threads(int(os.environ.get("INTENTFLOW_SERVING_THREADS", "1")))
        folder = Path(os.environ.get("INTENTFLOW_MODEL") or BUNDLE / "model")
        packed = Predictor.load(folder, version=packed_version(BUNDLE))
        packed.warm_up()
        line = os.environ.get("INTENTFLOW_LINE")
        logging.getLogger("models.serving").setLevel(logging.INFO)  # BentoML shows warnings only
        self._follower = Follower(Line(Path(line)) if line else None, packed)
        self._follower.start()

    @property
    def predictor(self) -> "Predictor":
        """The model in use: a request takes it once, and ends on it."""
        return self._follower.predictor

    @bentoml.on_shutdown
    def stop_following(self) -> None:
        """Let the process end."""
        self._follower.stop()

    @bentoml.api(route="/score")
    def score(self, request: ScoreRequest, /) -> ScoreResponse:
        """Return the click probability of each candidate."""
        return _answer(self.predictor.score, request)

    @bentoml.api(route="/intent")
    def intent(self, request: IntentRequest, /) -> IntentResponse:
        """Return the predicted share of clicks at each level of similarity to the trigger."""
        return _answer(self.predictor.intent, request)

    @bentoml.api(route="/model")
    def model(self) -> ModelInfo:
        """Return what is being served; GET works as well as POST."""
        return self.predictor.info().model_copy(update={"following": self._follower.told()})


ScoringService.add_asgi_middleware(
    RequestGuard,  # pyright: ignore[reportArgumentType] - BentoML types the class as if it were one
    forms={"/score": ScoreRequest, "/intent": IntentRequest},
    readable={"/model"},
)


def _answer(call: Callable[[Q], A], request: Q) -> A:
    try:
        return call(request)
    except RequestError as error:
        # BentoML sends a finished response as it is, whatever the method is declared to return.
        return cast(A, JSONResponse(error_body(error), status_code=400))
