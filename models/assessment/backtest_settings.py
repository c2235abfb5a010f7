"""What a file ``configs/backtests/<name>.yaml`` holds, and what a backtest is run with."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from models.assessment.retraining import RetrainingConfig
from models.ctr.config import CTRConfig
from models.data.datasets.registry import DatasetConfig
from models.encoders.config import EncoderConfig
from models.intents.config import IntentConfig
from models.settings import Settings, digest

Training = Literal["warm", "full"]
MAX_POLICIES = 3  # that a figure can tell apart


class BacktestConfig(Settings):
    """A file of ``configs/backtests``.

    Attributes:
        dataset: A file of ``configs/datasets``.
        model: A file of ``configs/models``.
        encoder: A file of ``configs/encoders``, for models that read content; null for none.
        intents: A file of ``configs/intents``; used where there is an encoder.
        retraining: A file of ``configs/retraining``: where windows end and how a warm start learns.
        window: Keys of its ``window:`` that differ here.
        days: How many of the newest days are replayed; a multiple of its ``test_days``.
        policies: Name → days between two trainings; null for never again after the first.
        training: A retraining starts from the policy's last model (``warm``) or anew (``full``).
        metric: What the page tells first.
        seeds: Each one is a whole replay.
    """

    dataset: str
    model: str = "din"
    encoder: str | None = None
    intents: str = "default"
    retraining: str = "default"
    window: dict[str, Any] = {}
    days: PositiveInt = 14
    policies: Annotated[
        dict[str, PositiveInt | None], Field(min_length=1, max_length=MAX_POLICIES)
    ] = {"never": None, "weekly": 7, "daily": 1}
    training: Training = "warm"
    metric: Literal["auc", "gauc", "log_loss"] = "auc"
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)


class BacktestPlan(Settings):
    """A backtest with every configuration it names read and checked.

    Attributes:
        name: Its name.
        dataset: The log.
        model: The model.
        warm_model: The model with the training settings of a warm start.
        encoder: The encoder; ``None`` without content.
        intents: How intents are binned; ``None`` without content.
        rules: Windows and trainings.
        days: How many of the newest days are replayed.
        policies: As in the file.
        training: As in the file.
        metric: As in the file.
        seeds: As in the file.
    """

    name: str
    dataset: DatasetConfig
    model: CTRConfig
    warm_model: CTRConfig
    encoder: EncoderConfig | None = None
    intents: IntentConfig | None = None
    rules: RetrainingConfig
    days: PositiveInt
    policies: dict[str, PositiveInt | None]
    training: Training
    metric: str
    seeds: tuple[int, ...]

    @model_validator(mode="after")
    def _is_whole_steps(self) -> Self:
        step = self.rules.window.test_days
        wrong = {name: days for name, days in self.policies.items() if days and days % step}
        if self.days % step or wrong:
            raise ValueError(
                f"days, and the days of every policy, are whole steps of test_days = {step}: "
                f"days {self.days}, policies {wrong or 'good'}"
            )
        return self

    @property
    def digest(self) -> str:
        """Names the settings: the same ones are gone on with in the same folder."""
        return digest(self.model_dump(mode="json"))[:8]

    @property
    def steps(self) -> int:
        """How many windows are replayed."""
        return self.days // self.rules.window.test_days

    def due(self, policy: str, step: int) -> bool:
        """Return whether a policy trains before a step; all of them do before the first."""
        every = self.policies[policy]
        return step == 0 or (every is not None and step * self.rules.window.test_days % every == 0)
