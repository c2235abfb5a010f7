"""What an evaluation found, JSON-able: the page and the gates read this and nothing else."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.metrics.intervals import Interval

Role = Literal["model", "base", "champion"]


class Result(BaseModel):
    """Base of the results; a number that does not exist is None, never nan."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(Result):
    """A number with its 95 % interval, where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, interval: Interval) -> "Estimate":
        """Return a bootstrap's interval with nan replaced by None."""
        return cls(value=known(interval.value), low=known(interval.low), high=known(interval.high))


class Difference(Estimate):
    """This model's metric minus a rival's, on the same resampled users; p is two-sided."""

    p: float | None = None


class Rival(Result):
    """A second model scored on the same examples.

    Attributes:
        name: The model's name.
        role: "base" (what RelaImpr is relative to) or "champion" (what is in production).
        metrics: Its metrics: auc, gauc, log_loss, ece, normalised_entropy.
        differences: This model minus the rival, by metric: auc, gauc, log_loss.
        rela_impr: Percent by which AUC and GAUC improve on the rival's lead over 0.5.
    """

    name: str
    role: Role
    metrics: dict[str, Estimate]
    differences: dict[str, Difference]
    rela_impr: dict[str, float | None]


class Curve(Result):
    """One line of a figure."""

    name: str
    role: Role
    x: list[float]
    y: list[float]


class ReliabilityCurve(Result):
    """Predicted against observed click rate in bins of about equal count."""

    name: str
    role: Role
    predicted: list[float]
    observed: list[float]
    low: list[float]
    high: list[float]
    count: list[int]


class PopulationIntent(Result):
    """True and predicted mean intent of one population of users (DAIAN Figure 5).

    Attributes:
        name: The population.
        users: Number of its users.
        requests: Number of its requests with a click.
        true: Mean y_int over those requests, a share for each similarity level.
        predicted: Mean predicted intent over the same requests.
        js: Their Jensen-Shannon divergence, in bits.
        js_of_average: Divergence of ``true`` from the mean intent of everyone: what a model that
            predicts the same for every user would reach at best.
    """

    name: str
    users: int
    requests: int
    true: list[float]
    predicted: list[float]
    js: float | None
    js_of_average: float | None


class IntentFit(Result):
    """How well the predicted intents fit the true ones.

    Attributes:
        levels: Number of similarity levels.
        requests: Requests with a click, which have a true intent.
        js: Divergence of the mean predicted from the mean true intent over all of them.
        js_per_request: Mean divergence of each request's own prediction from its own clicks; few
            clicks a request keep it far above 0 even for a perfect model.
        populations_known: Whether the populations come with the data; if not, users were split at
            the median of their mean true level.
        populations: The populations.
    """

    levels: int
    requests: int
    js: float | None
    js_per_request: float | None
    populations_known: bool
    populations: list[PopulationIntent]


class LevelShare(Result):
    """Impressions and clicks at one similarity level between trigger and target."""

    level: int
    impressions: int
    share: float
    click_rate: Estimate


class GroupTable(Result):
    """Metrics by group: the rows of `models.metrics.groups.group_table`."""

    name: str
    title: str
    about: str
    rows: list[dict[str, str | int | float | None]]


class Evaluation(Result):
    """Everything measured on one set of examples.

    Attributes:
        model: Name of the model.
        examples: Impressions scored.
        users: Their users.
        requests: Their requests, None where unknown.
        clicks: Impressions with label 1.
        users_counted: Users with a click and a non-click, on whom GAUC is computed.
        users_skipped: Users with one class only.
        impressions_counted: Impressions of the counted users.
        metrics: auc, gauc, log_loss, ece, normalised_entropy.
        base: The base model, if one was scored.
        champion: The production model, if one was scored.
        roc: ROC curves.
        reliability: Reliability curves.
        intent: Fit of the intent, for models that predict one.
        levels: Impressions by similarity level, if known.
        groups: Metrics by group.
        bootstrap: Resamples of the users behind every interval.
        seed: Seed of the resampling.
    """

    model: str
    examples: int
    users: int
    requests: int | None
    clicks: int
    users_counted: int
    users_skipped: int
    impressions_counted: int
    metrics: dict[str, Estimate]
    base: Rival | None = None
    champion: Rival | None = None
    roc: list[Curve] = []
    reliability: list[ReliabilityCurve] = []
    intent: IntentFit | None = None
    levels: list[LevelShare] = []
    groups: list[GroupTable] = []
    bootstrap: int
    seed: int

    @property
    def rivals(self) -> list[Rival]:
        """The models compared with, base first."""
        return [rival for rival in (self.base, self.champion) if rival is not None]

    def summary(self) -> dict[str, float | int | None]:
        """Return the headline numbers as flat names and values, for metadata and tables."""
        flat: dict[str, float | int | None] = {"examples": self.examples, "users": self.users}
        flat |= {name: estimate.value for name, estimate in self.metrics.items()}
        for rival in self.rivals:
            flat |= {f"{rival.role}/{name}": e.value for name, e in rival.metrics.items()}
            flat |= {f"{rival.role}/rela_impr_{name}": v for name, v in rival.rela_impr.items()}
        if self.intent is not None:
            flat["intent_js"] = self.intent.js
            flat |= {f"intent_js/{p.name}": p.js for p in self.intent.populations}
        return flat


def known(value: float) -> float | None:
    """Return ``value``, or None where it is nan or infinite."""
    return float(value) if math.isfinite(value) else None
