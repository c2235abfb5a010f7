"""From a raw logit to the probability that is reported and served.

Three things may lie between the two, in this order: the correction for what training alone did to
the classes, the curve fitted on the validation rows, and the correction for how the log itself was
sampled. Fitting is in `models.training.calibration`.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, model_validator
from scipy.special import expit


class Calibration(BaseModel):
    """What turns a model's logits into probabilities; the default is the sigmoid.

    Attributes:
        method: The curve: ``platt``, ``isotonic``, or ``none`` for the sigmoid.
        train_offset: Added to the logit first: log of the odds before training's own weights and
            sampling over the odds after. The validation rows have neither, so this precedes the
            curve.
        slope: Platt's factor on the logit.
        intercept: Platt's constant.
        logits: Ascending points of the isotonic curve, which is linear between them.
        values: Its probabilities there, never falling.
        log_negative_rate: Share of non-clicks the log kept, in the validation rows too, so that
            this follows the curve: p / (p + (1 - p) / w) (He et al., ADKDD 2014, 6.3).
        figures: Log loss and calibration error on the validation rows, before and after.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["none", "platt", "isotonic"] = "none"
    train_offset: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    logits: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    log_negative_rate: float = 1.0
    figures: dict[str, float] = {}

    @model_validator(mode="after")
    def _has_its_curve(self) -> "Calibration":
        if len(self.logits) != len(self.values) or bool(self.logits) != (self.method == "isotonic"):
            raise ValueError("an isotonic curve has as many values as logits, others have none")
        return self

    def probability(self, logit: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Return the click probabilities of raw logits, in float64."""
        curve = self.curve(logit)
        if self.log_negative_rate == 1.0:
            return curve
        return curve / (curve + (1.0 - curve) / self.log_negative_rate)

    def curve(self, logit: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Return the probabilities in the log as it was sampled."""
        shifted = logit.astype(np.float64) + self.train_offset
        if self.method == "isotonic":
            return np.interp(shifted, self.logits, self.values)
        return expit(self.slope * shifted + self.intercept)

    def in_words(self) -> str:
        """Return what lies between logit and probability, for people."""
        names = {"none": "sigmoid", "platt": "Platt scaling", "isotonic": "isotonic regression"}
        parts = [names[self.method]]
        if self.train_offset:
            parts.insert(0, f"logit {self.train_offset:+.4g} for training's own sampling")
        if self.log_negative_rate != 1.0:
            parts.append(f"corrected to a log with all non-clicks, {self.log_negative_rate:g} kept")
        return ", ".join(parts)
