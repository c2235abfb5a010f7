"""Golden requests: what a model answered where it was made, for whoever is about to serve it.

A Bento carries them beside its model. A server asks them before a model answers anybody: they prove
that this library, on this machine, computes what was packaged, and they build every table a first
request would have had to wait for.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import CorruptArtifactError, IncompatibleArtifactError
from models.serving.request import ScoreRequest

if TYPE_CHECKING:  # both import torch, for which whoever only knows the file's name need not wait
    from models.data.vocabulary import FieldVocabulary, Vocabularies
    from models.serving.predictor import Predictor

FILE = "golden.json"
TOLERANCE = 1e-6  # probabilities on another processor; on the same one they are bit-equal
NOW = 1_700_000_000
HOUR_S = 3600


class GoldenAnswer(BaseModel):
    """A request and the probabilities that the model gave for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: ScoreRequest
    probabilities: tuple[float, ...]


class Golden(BaseModel):
    """The golden requests of one model, which its content hash names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_hash: str
    answers: tuple[GoldenAnswer, ...]


def golden_requests(vocabularies: "Vocabularies") -> list[ScoreRequest]:
    """Return requests as a service must be able to answer: known, unknown and anonymous ones."""
    known = vocabularies.known_items.head(20).to_list()
    users = vocabularies.known_users.head(1).to_list()
    full = {
        "user_id": next(iter(users), None),
        "user": {field.name: _some_value(field) for field in vocabularies.user},
        "context": {field.name: _some_value(field) for field in vocabularies.context},
        "history": [
            {"item_id": item, "timestamp": NOW - HOUR_S * (age + 1)}
            for age, item in enumerate(known[:10])
        ],
        "trigger_item_id": known[0] if known else None,
        "candidates": [*known, "no such item"],
        "timestamp": NOW,
    }
    anonymous = {"candidates": [*known, "no such item"], "timestamp": NOW}
    stranger = anonymous | {"user_id": "nobody", "trigger_item_id": "no such item"}
    without_fields = full | {"user": {}, "context": {}}
    return [ScoreRequest.model_validate(r) for r in (full, without_fields, anonymous, stranger)]


def record(predictor: "Predictor") -> Golden:
    """Return the golden requests of a model, as it answers them here."""
    answers = tuple(
        GoldenAnswer(request=request, probabilities=tuple(predictor.score(request).probabilities))
        for request in golden_requests(predictor.vocabularies)
    )
    return Golden(content_hash=predictor.content_hash, answers=answers)


def check(predictor: "Predictor", bundle: Path) -> None:
    """Let the model answer the golden requests in ``bundle``; one packed without any is just asked.

    Args:
        predictor: The model, as it would serve.
        bundle: The folder that holds the model's folder, and ``golden.json`` beside it.

    Raises:
        CorruptArtifactError: the golden requests are unreadable, or those of another model.
        IncompatibleArtifactError: an answer differs from the one packed, or is no probability.
    """
    packed = _read(bundle / FILE)
    if packed is not None and packed.content_hash != predictor.content_hash:
        raise CorruptArtifactError(
            f"The golden requests are of the model {packed.content_hash[:12]}.",
            where=str(bundle / FILE),
            allowed=predictor.content_hash[:12],
            do="Package the model again.",
        )
    for number, expected in enumerate((packed or record(predictor)).answers):
        served = predictor.score(expected.request).probabilities
        if not alike(served, expected.probabilities):
            raise IncompatibleArtifactError(
                f"Golden request {number} is answered by {served[:5]}.",
                where=str(bundle / FILE),
                allowed=f"{list(expected.probabilities[:5])}, within {TOLERANCE}",
                do="The version was made by another version of the library: restart the server, "
                "which then runs the version's own.",
            )


def _read(path: Path) -> Golden | None:
    try:
        return Golden.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CorruptArtifactError(
            f"The golden requests cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            do="Package the model again.",
        ) from None


def alike(served: list[float], expected: tuple[float, ...]) -> bool:
    """Return whether the probabilities served are those expected, within `TOLERANCE`."""
    return len(served) == len(expected) and all(
        0.0 <= ours <= 1.0 and math.isclose(ours, theirs, rel_tol=0.0, abs_tol=TOLERANCE)
        for ours, theirs in zip(served, expected, strict=True)
    )


def _some_value(field: "FieldVocabulary") -> bool | int | float | str | None:
    return next(iter(field.values or field.edges or ()), None)
