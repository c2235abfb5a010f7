"""What goes into the scoring service and what comes out of it; limits are part of the form."""

from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from models.errors import RequestError

MAX_CANDIDATES = 5_000
MAX_HISTORY = 5_000
MAX_FIELDS = 100
LATEST_TIMESTAMP = 4_102_444_800  # 2100-01-01: later "seconds" are milliseconds

Id = (
    Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Annotated[StrictStr, Field(max_length=512)]
)
FieldValue = Id | StrictBool | FiniteFloat | None
Timestamp = Annotated[StrictInt, Field(ge=0, le=LATEST_TIMESTAMP)]
Fields = Annotated[dict[str, FieldValue], Field(max_length=MAX_FIELDS)]
R = TypeVar("R", bound=BaseModel)


class HistoryEvent(BaseModel):
    """One positive event of the user: the item, and when, in UTC seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_id: Id
    timestamp: Timestamp


class IntentRequest(BaseModel):
    """Who asks, when, and what that user did before; enough to tell an intent.

    Attributes:
        user_id: The user, known or not; ``None`` for an anonymous one.
        user: The user's profile fields, by the names they were trained under.
        context: The request's context fields, by the names they were trained under.
        history: Past positive events in any order; those not before ``timestamp`` are left out.
        trigger_item_id: The item that was clicked to get here, if there is one.
        timestamp: When the request is made, UTC seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: Id | None = None
    user: Fields = {}
    context: Fields = {}
    history: Annotated[list[HistoryEvent], Field(max_length=MAX_HISTORY)] = []
    trigger_item_id: Id | None = None
    timestamp: Timestamp


class ScoreRequest(IntentRequest):
    """An `IntentRequest` with the items to score."""

    candidates: Annotated[list[Id], Field(min_length=1, max_length=MAX_CANDIDATES)]


class IntentResponse(BaseModel):
    """The predicted share of clicks at each similarity level, lowest first; ``None`` if untold."""

    intent: list[float] | None
    model_version: str


class ScoreResponse(IntentResponse):
    """The click probability of each candidate, in the order of the request."""

    probabilities: list[float]


class Following(BaseModel):
    """How a process that follows production stands to it.

    Attributes:
        production_version: The version in production, as it was last seen; ``None`` before any.
        serving_since: When the model in use came into use, seconds since 1970.
        swaps: How many models this process has exchanged.
        refused: Why the version in production is not in use; ``None`` if it is.
    """

    production_version: str | None
    serving_since: float
    swaps: int
    refused: str | None


class ModelInfo(BaseModel):
    """What is being served; ``following`` is ``None`` where production is not followed."""

    model: str
    model_version: str
    content_hash: str
    num_items: int
    num_users: int
    num_parameters: int
    intent_levels: int | None
    user_fields: list[str]
    context_fields: list[str]
    history_length: int
    history_days: float | None
    max_candidates: int = MAX_CANDIDATES
    max_history: int = MAX_HISTORY
    following: Following | None = None


def parse_request(kind: type[R], body: bytes | str) -> R:
    """Return JSON as a request of ``kind``; raise `RequestError` naming the first wrong fields."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _request_error(kind, error) from None


def _request_error(kind: type[BaseModel], error: ValidationError) -> RequestError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first = {".".join(map(str, problem["loc"])): problem["msg"] for problem in reversed(problems)}
    shown = list(reversed(first.items()))[:5]
    more = f" (and {len(first) - len(shown)} more)" if len(first) > len(shown) else ""
    return RequestError(
        "; ".join(f"{place}: {message}" if place else message for place, message in shown) + more,
        where=", ".join(place for place, _ in shown if place) or "the request body",
        allowed=f"a JSON object with the keys {', '.join(kind.model_fields)}; ids are whole "
        "numbers or strings, times whole UTC seconds, numbers finite",
        do="Correct the fields named above; see docs/how-to/serve.md.",
    )
