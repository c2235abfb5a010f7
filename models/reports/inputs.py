"""What an evaluation looks at: plain arrays, so that any model, ours or not, can be evaluated."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """What an evaluation looks at, one entry an impression; parts that are unknown are None.

    Attributes:
        labels: 0 or 1.
        probability: The model's click probability.
        users: The user.
        request: The request.
        history_length: Number of events in the history.
        item_train_count: Impressions of the target item in the training rows; 0 is a cold item.
        level: Similarity level of trigger and target, 0 … n - 1; -1 without a trigger.
        intent: The model's predicted intent.
        y_int: The request's true intent (DAIAN Eq. 1).
        has_intent: Whether the request has a click and hence a true intent.
        population: Name of the user's population, where the data know it.
        intent_diversity: Diversity of the user's intents in the last training week, nan if unknown:
            models.metrics.groups.intent_diversity.
        volatility: How often the history changes its kind: models.metrics.groups.
        model: Name of the model.
    """

    labels: Shaped[ndarray, " N"]
    probability: Float[ndarray, " N"]
    users: Shaped[ndarray, " N"]
    request: Shaped[ndarray, " N"] | None = None
    history_length: Int[ndarray, " N"] | None = None
    item_train_count: Int[ndarray, " N"] | None = None
    level: Int[ndarray, " N"] | None = None
    intent: Float[ndarray, "N n"] | None = None
    y_int: Float[ndarray, "N n"] | None = None
    has_intent: Bool[ndarray, " N"] | None = None
    population: Shaped[ndarray, " N"] | None = None
    intent_diversity: Float[ndarray, " N"] | None = None
    volatility: Float[ndarray, " N"] | None = None
    model: str = "model"
